"""The search of the Phoebus alarm logger: its parameters read, and what they select. No I/O here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from alarm_engine.model.severity import NAMES, Severity
from alarm_engine.model.times import NANOS_PER_MS, NANOS_PER_SECOND, Nanos, from_datetime
from backend.history.matching import glob
from backend.history.port import MAX_PATTERN
from backend.phoebus.elements import Element

MOST = 1000
"""Elements of one answer, as the logger's `es_max_size` has it if nobody sets it."""

_WILD = ("message", "current_message", "user", "host")
_SEVERITIES = ("severity", "current_severity")
_LOCAL_FORMS = ("%Y-%m-%d %H:%M:%S.%f", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d")
_AMOUNT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)")
_DAY_S = 86_400.0
_UNITS_S = (
    ("ms", 0.001), ("mi", 60.0), ("mo", 30 * _DAY_S), ("y", 365 * _DAY_S), ("w", 7 * _DAY_S), ("d", _DAY_S), ("h", 3600.0), ("s", 1.0),
)  # fmt: skip
"""Units by how they begin; the first one counts."""


class BadSearch(ValueError):
    """A parameter that cannot be read; the message names it."""


@dataclass(frozen=True, slots=True)
class Search:
    """What is looked for; every given condition holds."""

    patterns: dict[str, re.Pattern[str]]
    """By field of an element. An element without the field is not found."""
    roots: tuple[str, ...] | None
    """Configurations begin with one of these; commands are then left out, as by the logger."""
    enabled: bool | None
    """Only edits, and those that left it so."""
    start: Nanos | None
    end: Nanos | None
    size: int
    literal: str
    """A text that is part of every path that is looked for; empty if there is none."""
    exact_user: str | None

    def finds(self, element: Element) -> bool:
        """True for an element that is looked for."""
        if self.roots is not None and not _is_below(element["config"], self.roots):
            return False
        if self.enabled is not None and ("config_msg" not in element or element["enabled"] is not self.enabled):
            return False
        return all(field in element and pattern.fullmatch(element[field]) is not None for field, pattern in self.patterns.items())

    def severities(self) -> frozenset[Severity]:
        """Severities of the alarm that can be found; empty: any."""
        pattern = self.patterns.get("severity")
        return frozenset(s for s in Severity if pattern is not None and pattern.fullmatch(NAMES[s]) is not None)


def _is_below(key: str, roots: Sequence[str]) -> bool:
    kind, _, path = key.partition(":/")
    return kind in ("state", "config") and path.startswith(tuple(roots))


def read_search(given: Iterable[tuple[str, str]], now: Nanos) -> Search:
    """The parameters of a request: names in any case, unknown and empty ones ignored, of several of a name the last. Raises `BadSearch`."""
    values = {name.lower(): value.strip() for name, value in given if value.strip() and value.strip() != "*"}
    long = [name for name, value in values.items() if len(value) > MAX_PATTERN]
    if long:
        raise BadSearch(f"{long[0]} has more than {MAX_PATTERN} characters")
    patterns = {field: glob(values[field]) for field in _WILD if field in values}
    patterns |= {field: glob(values[field].upper()) for field in _SEVERITIES if field in values}
    pv = values.get("pv", "").replace("\\", "")
    if pv:
        patterns["config"] = glob(f"*{pv}*")
    start, end = values.get("start"), values.get("end")
    user = values.get("user")
    roots = tuple(root.strip() for root in values["root"].split(",") if root.strip()) if "root" in values else None
    return Search(
        patterns=patterns,
        roots=roots,
        enabled={"enabled": True, "disabled": False}.get(values.get("command", "").lower()),
        start=read_time("start", start, now) if start is not None else None,
        end=read_time("end", end, now) if end is not None else None,
        size=_size(values.get("size", "")),
        literal=_literal(pv.rpartition(":/")[2]),
        exact_user=user if user is not None and not set(user) & {"*", "?"} else None,
    )


def read_time(name: str, text: str, now: Nanos) -> Nanos:
    """An absolute time, local or ISO with a zone, or an amount back from now: `7 days`, `30 min`, `now`. Raises `BadSearch`."""
    if text.lower() == "now":
        return now
    if (amount := _back(text.lower())) is not None:
        return Nanos(max(0, now - amount))
    for form in _LOCAL_FORMS:
        try:
            # The logger reads such a time in the zone of its machine.
            return from_datetime(datetime.strptime(text, form).astimezone())
        except (ValueError, OverflowError):
            continue
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
        return from_datetime(moment if moment.tzinfo is not None else moment.astimezone())
    except (ValueError, OverflowError) as problem:
        raise BadSearch(f"{name}={text!r} is no time: expected 2026-11-29 14:30:00, an ISO time, or an amount such as 7 days") from problem


def _back(text: str) -> int | None:
    """Nanoseconds of an amount of time such as `1 day 12 hours`, None for another text."""
    total, at = 0.0, 0
    while at < len(text):
        match = _AMOUNT.match(text, at)
        unit = next((seconds for begin, seconds in _UNITS_S if match and match[2].startswith(begin)), None)
        if match is None or unit is None:
            return None
        total += float(match[1]) * unit
        at = match.end()
        while at < len(text) and text[at] in " ,":
            at += 1
    return round(total * NANOS_PER_SECOND) if at else None


def _size(text: str) -> int:
    return max(1, min(MOST, int(text))) if text.isdecimal() and len(text) < 10 else MOST


def _literal(pattern: str) -> str:
    """The longest part of a pattern without wild cards and slashes: paths hold it as it is."""
    return max(re.split(r"[*?/\\:]", pattern), key=len, default="")


def merge(found: Sequence[list[Element]], size: int) -> list[Element]:
    """The newest elements of several configurations, newest first."""
    together = [element for elements in found for element in elements]
    return sorted(together, key=lambda element: str(element["message_time"]), reverse=True)[:size]


def after(time: Nanos) -> Nanos:
    """The end of a range that holds a time of the logger, which has milliseconds."""
    return Nanos(time + NANOS_PER_MS)
