"""Carries checks out side by side; one that hangs keeps neither the others nor the report from coming.

Each has a thread of its own: what waits inside a library for a server that does not answer cannot be stopped, only left.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from alarm_engine.errors import TocsinError
from tocsin.examination.finding import Finding, fault

_NOTHING_MORE = None


@dataclass(frozen=True, slots=True)
class Check:
    """A question about the site."""

    group: str
    """Heading in the report."""
    subject: str
    """What a finding is about that the check could not make by itself: that it hung, or could not ask."""
    look: Callable[[], Iterable[Finding]]
    """Findings as they are made. A `TocsinError` is a fault."""
    advice: str = ""
    """What to do if it cannot be asked at all."""


@dataclass(slots=True)
class Examined:
    """What became of a check."""

    check: Check
    findings: list[Finding] = field(default_factory=list)
    seconds: float = 0.0


def examine(checks: Sequence[Check], longest_s: float) -> Iterator[Examined]:
    """All checks at once; told in their order, each as soon as it and those before it have ended, none later than `longest_s`."""
    began = time.monotonic()
    running = [_Running(check) for check in checks]
    for one in running:
        yield one.result(began, longest_s)


class _Running:
    def __init__(self, check: Check) -> None:
        self._examined = Examined(check)
        self._found: queue.SimpleQueue[Finding | None] = queue.SimpleQueue()
        self._ended_at = 0.0
        threading.Thread(target=self._look, name=f"check {check.group}: {check.subject}", daemon=True).start()

    def result(self, began: float, longest_s: float) -> Examined:
        check, findings = self._examined.check, self._examined.findings
        try:
            while (finding := self._found.get(timeout=max(0.001, began + longest_s - time.monotonic()))) is not _NOTHING_MORE:
                findings.append(finding)
            self._examined.seconds = self._ended_at - began
        except queue.Empty:
            self._examined.seconds = time.monotonic() - began
            told = f"no answer within {longest_s:g} s"
            findings.append(fault(check.subject, told, check.advice or "see what hangs; --timeout gives it longer"))
        return self._examined

    def _look(self) -> None:
        check = self._examined.check
        try:
            for finding in check.look():
                self._found.put(finding)
        except TocsinError as problem:
            self._found.put(fault(check.subject, str(problem), check.advice))
        except Exception as problem:  # noqa: BLE001 - a check that breaks is one line of the report, and never the end of it
            told = f"the check itself failed: {type(problem).__name__}: {problem}"
            self._found.put(fault(check.subject, told, "report this; the other lines stand"))
        self._ended_at = time.monotonic()
        self._found.put(_NOTHING_MORE)
