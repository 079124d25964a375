"""What is wrong in the files of an alarm tree, where, and what was expected."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from alarm_engine.errors import ConfigError

_SHOWN_CHARS = 60
_MOST_FAULTS = 10_000
_MOST_HINTS = 10_000
"""Looking for what was meant is slow: a file of nothing but unknown keys gets no hints after these."""


class FaultSeverity(StrEnum):
    """How bad it is."""

    ERROR = "error"
    """The entry cannot be used; it is left out."""
    WARNING = "warning"
    """The entry is used as it stands, but somebody should look."""


@dataclass(frozen=True, slots=True)
class Spot:
    """Where in the files and in the tree something stands."""

    file: str
    """As a user would type it: the directory of the tree as given, and the file below it."""
    line: int | None = None
    """From 1; None if the file as a whole is meant."""
    column: int | None = None
    """From 1."""
    path: str = ""
    """Path in the tree, empty where none is known."""
    field: str = ""
    """Key below that path: `delay`, `guidance[2].title`."""
    used_at: str = ""
    """For content of a template: `FILE:LINE` of the entry that uses it."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. `str()` gives the line that a user reads."""

    severity: FaultSeverity
    spot: Spot
    problem: str
    """What is wrong: `is no duration`; follows the value if there is one."""
    expected: str = ""
    """What would be right."""
    value: str | None = None
    """What stands there, in full; None where the problem is not about a value."""

    @property
    def is_error(self) -> bool:
        """The entry cannot be used."""
        return self.severity is FaultSeverity.ERROR

    @property
    def place(self) -> str:
        """`FILE:LINE`, or the file alone."""
        return self.spot.file if self.spot.line is None else f"{self.spot.file}:{self.spot.line}"

    @property
    def message(self) -> str:
        """Value, problem and expectation, without the place."""
        shown = f"{quoted(self.value)} " if self.value is not None else ""
        return f"{shown}{self.problem}" + (f" — expected {self.expected}" if self.expected else "")

    def __str__(self) -> str:
        used = f" (used at {self.spot.used_at})" if self.spot.used_at else ""
        return printable(": ".join(part for part in (self.place, self.spot.path, self.spot.field, self.message) if part) + used)

    def as_json(self) -> dict[str, str | int | None]:
        """Flat form for pipelines."""
        spot = self.spot
        return {
            "severity": self.severity.value,
            "file": spot.file,
            "line": spot.line,
            "column": spot.column,
            "path": spot.path,
            "field": spot.field,
            "used_at": spot.used_at,
            "value": self.value,
            "problem": self.problem,
            "expected": self.expected,
        }


class InvalidTree(ConfigError):
    """Files that make no valid tree. The message lists every error; `faults` has them and the warnings."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        self.faults = faults
        errors = [str(fault) for fault in faults if fault.is_error]
        count = "1 error" if len(errors) == 1 else f"{len(errors)} errors"
        super().__init__("\n".join([f"{count} in the alarm tree:", *errors]))


_Key = tuple[str, int | None, int | None, str, str | None]


class Faults:
    """Collects faults, so many of each severity.

    The same fault at the same place is kept once, however often a template or an included file is used.
    """

    def __init__(self, most: int = _MOST_FAULTS) -> None:
        self._most = most
        self._found: dict[FaultSeverity, dict[_Key, Fault]] = {severity: {} for severity in FaultSeverity}
        self._more = dict.fromkeys(FaultSeverity, 0)
        self.errors = 0
        """Errors so far, repeated ones included: a reader compares it to know whether what it read is good."""
        self.noted = 0
        """Faults of any severity so far, repeated ones included."""

    def error(self, spot: Spot, problem: str, expected: str = "", value: str | None = None) -> None:
        """Note an error."""
        self.add(Fault(FaultSeverity.ERROR, spot, problem, expected, value))

    def warning(self, spot: Spot, problem: str, expected: str = "", value: str | None = None) -> None:
        """Note a warning."""
        self.add(Fault(FaultSeverity.WARNING, spot, problem, expected, value))

    def hint(self, text: str, known: Iterable[str]) -> str:
        """What was probably meant; empty if nothing is close, or if there are so many errors that nobody reads hints."""
        return suggestion(text, known) if self.errors < _MOST_HINTS else ""

    def add(self, fault: Fault) -> None:
        """Note a fault."""
        self.errors += fault.is_error
        self.noted += 1
        spot = fault.spot
        key = (spot.file, spot.line, spot.column, f"{spot.field} {fault.problem}", fault.value)
        found = self._found[fault.severity]
        if key in found:
            return
        if len(found) < self._most:
            found[key] = fault
        else:
            self._more[fault.severity] += 1

    def result(self) -> tuple[Fault, ...]:
        """All faults by file and line; the last ones say how many more there are."""
        found = [fault for kind in self._found.values() for fault in kind.values()]
        found.sort(key=lambda f: (f.spot.file, f.spot.line or 0, f.spot.column or 0))
        for severity, more in self._more.items():
            if more:
                found.append(Fault(severity, Spot(found[-1].spot.file), f"{more} more {severity.value}s are not listed"))
        return tuple(found)


def quoted(text: str) -> str:
    """A text as it is shown in a message: in quotes, on one line, control characters escaped, not too long."""
    shown = text if len(text) <= _SHOWN_CHARS else text[: _SHOWN_CHARS - 1] + "…"
    return printable(f'"{shown}"')


def printable(text: str) -> str:
    """A text that can do nothing to a terminal: control and invisible characters are escaped."""
    return text if text.isprintable() else "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)


def suggestion(text: str, known: Iterable[str]) -> str:
    """What was probably meant, as a text to put behind the problem; empty if nothing is close."""
    return _suggestion(text, tuple(sorted(known)))


@lru_cache(maxsize=1000)
def _suggestion(text: str, known: tuple[str, ...]) -> str:
    # Cached: a slip of the finger is often repeated over thousands of alarms, and looking for the meant word is slow.
    candidates = {name.lower(): name for name in known}
    close = difflib.get_close_matches(text.lower(), candidates, n=1, cutoff=0.6)
    return f"; did you mean {candidates[close[0]]}?" if close else ""
