"""An IOC that loads itself, and the truth that it wrote down."""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.chaos.evidence import Transition
from tests.chaos.ioc_process import RECORD
from tests.ioc import Ioc


class TruthfulIoc(Ioc):
    """A soft IOC with one record for each name, all of them OK in the beginning."""

    def __init__(self, pvs: Sequence[str], truth: Path) -> None:
        self.pvs = tuple(pvs)
        self.truth = truth
        super().__init__("".join(RECORD.format(name=pv) for pv in pvs), "")

    def _command(self) -> list[str]:
        return [sys.executable, "-m", "tests.chaos.ioc_process", str(self._database), str(self.truth), str(secrets.randbelow(1 << 30))]

    def run(self, rate: float, pvs: Iterable[str] | None = None) -> None:
        """Change these records, or all, so many times a second."""
        self._ask(do="run", rate=rate, pvs=list(self.pvs if pvs is None else pvs))

    def rest(self) -> None:
        """Change nothing any more."""
        self._ask(do="rest")

    def change(self, pv: str, severity: str) -> None:
        """Change one record now."""
        self._ask(do="put", pv=pv, severity=severity)

    def transitions(self) -> list[Transition]:
        """What the records were, in order."""
        return read_truth(self.truth.read_text(encoding="ascii"))

    def _ask(self, **request: object) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        print(json.dumps(request), file=self._process.stdin, flush=True)
        answer = self._answer(10)
        if answer != "ok":
            raise RuntimeError(f"{request}: {answer}\n{self.log()[-2000:]}")


def read_truth(text: str) -> list[Transition]:
    """The lines that an IOC wrote down; one that begins a change which never came to its end is not sure."""
    found: list[Transition] = []
    for line in text.split("\n")[:-1]:  # what has no end of line was cut off
        pv, severity, value, time = line.split(" ")
        if time == "?":
            found.append(Transition(pv, severity, int(value), 0, sure=False))
            continue
        if found and not found[-1].sure and found[-1].value == int(value):
            found.pop()
        found.append(Transition(pv, severity, int(value), int(time)))
    return found
