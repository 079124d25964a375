"""What a question asks for: filters and a span of time, read from query parameters or a payload."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from alarm_engine.errors import TocsinError
from alarm_engine.model.event import EventKind
from alarm_engine.model.path import PathError, canonical, is_path, join
from alarm_engine.model.severity import BY_NAME, Severity
from alarm_engine.model.state import EventId
from alarm_engine.model.times import NANOS_PER_SECOND, Nanos, from_datetime, from_ms, to_ms
from backend.history.port import History
from backend.kpi.targets import LIMITS, Limits
from backend.live.model import LiveTree
from backend.suggesting import Suggestions

Cell = str | int | float | bool | None
Row = dict[str, Cell]
"""One line of an answer. Times are milliseconds since the epoch, spans are seconds."""

ALL = frozenset({"$__all", "*", ""})
"""What Grafana sends for a variable that stands for everything, or for nothing."""

DEFAULT_SPAN_S = 24 * 3600
MAX_LIMIT = 10_000
SHORTEST_BUCKET_S, LONGEST_BUCKET_S = 10, 86_400
MAX_OLDER_S = 100 * 24 * 3600
_LAST_MS = 253_402_300_799_999  # end of the year 9999


class BadQuestion(TocsinError):
    """A question that cannot be understood; the message says which parameter and what was expected."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Filters of a question; all given ones must hold."""

    start: Nanos
    end: Nanos
    config: str | None = None
    """None: all configurations."""
    systems: frozenset[str] = frozenset()
    """Names of subsystems as shown, or identities of their dashboards; empty: all."""
    severities: frozenset[str] = frozenset()
    """Severity names; one without `_ACK` stands for its acknowledged form too; empty: all."""
    text: str = ""
    """Part of path, description or message, in any case."""
    path: str | None = None
    """Canonical path."""
    tile_of: str | None = None
    """The component on whose dashboard a tile leads to `path`; None: the path was given as it is."""
    further: tuple[str, ...] = ()
    """Further ones, which only some questions take."""
    pv: str | None = None
    """Name of the PV, with `*` and `?` as wild cards."""
    kinds: frozenset[EventKind] = frozenset()
    """Kinds of events; empty: as the question has it."""
    user: str | None = None
    """Who did it."""
    oldest_first: bool = False
    after: EventId | None = None
    """Go on after this event."""
    at: Nanos | None = None
    """The moment; None: the end of the range."""
    limit: int | None = None
    """Rows at most; None: as the question has it."""
    bucket_s: int | None = None
    """Width of the buckets of a count; None: as the question has it."""
    lost_connections: bool = False
    """Count lost connections among the alarms."""
    older_s: int = 0
    """What is younger does not count."""
    tree: str = ""
    """Shape of the tree that a dashboard was made from."""

    @property
    def paths(self) -> tuple[str, ...]:
        """All paths; empty: everything."""
        return () if self.path is None else (self.path, *self.further)

    def wants(self, severity: Severity) -> bool:
        """True if an alarm of that severity is asked for."""
        return not self.severities or severity.name in self.severities or severity.unacknowledged.name in self.severities


@dataclass(frozen=True, slots=True)
class Sources:
    """Where answers come from."""

    trees: Mapping[str, LiveTree]
    history: History
    now: Nanos
    """The backend's clock: ages are counted by it."""
    limits: Limits = LIMITS
    """What figures of alarm performance are judged by."""
    suggestions: Suggestions = field(default_factory=Suggestions)
    """Proposals, some of them kept from earlier questions."""

    def asked(self, ask: Ask) -> list[LiveTree]:
        """The trees of a question; none for a configuration that does not exist."""
        if ask.config is None:
            return list(self.trees.values())
        tree = self.trees.get(ask.config)
        return [] if tree is None else [tree]


@dataclass(slots=True)
class _Values:
    """Parameters by name, as lists of texts."""

    given: dict[str, list[str]] = field(default_factory=dict)

    def last(self, name: str) -> str | None:
        values = [value for value in self.given.get(name, ()) if value not in ALL]
        return values[-1] if values else None

    def several(self, name: str) -> frozenset[str]:
        return frozenset(value for value in self.given.get(name, ()) if value not in ALL)


PARAMETERS: dict[str, str] = {
    "config": "name of the configuration; without it: all of them",
    "system": "subsystem; repeated for several",
    "severity": "severity names, repeated or with commas; MAJOR includes MAJOR_ACK",
    "q": "part of path, description or message",
    "path": "path of an alarm or component; `COMPONENT//TILE` for what a tile of a component shows",
    "from": "start of the range, milliseconds since the epoch",
    "to": "end of the range, milliseconds since the epoch",
    "at": "a moment, milliseconds since the epoch; without it: the end of the range",
    "pv": "name of the PV, with * and ? as wild cards",
    "kind": f"kinds of events, repeated or with commas: {', '.join(EventKind)}",
    "user": "who gave the command",
    "order": "newest or oldest, which comes first",
    "after": "id of an event: what follows it",
    "limit": f"rows at most, 1 to {MAX_LIMIT}",
    "bucket": f"width of a bucket in seconds, {SHORTEST_BUCKET_S} to {LONGEST_BUCKET_S}",
    "lost": "true: lost connections count as alarms; false: they are counted apart",
    "older": f"seconds, 0 to {MAX_OLDER_S}: what is younger does not count",
    "tree": "shape of the tree that a dashboard was made from",
}
"""Every parameter, with what it means."""


def read_ask(pairs: Iterable[tuple[str, str]], now: Nanos) -> Ask:
    """The question that parameters put; raises `BadQuestion` with all that is wrong about them."""
    values, faults = _Values(), []
    for name, value in pairs:
        if name not in PARAMETERS:
            near = difflib.get_close_matches(name, PARAMETERS, 1)
            faults.append(f"unknown parameter {name!r}" + (f", did you mean {near[0]!r}?" if near else f"; known: {', '.join(PARAMETERS)}"))
        values.given.setdefault(name, []).append(value)
    severities = frozenset(part.strip() for value in values.several("severity") for part in value.split(",")) - ALL
    faults += [f"severity: {name!r} is none of {', '.join(BY_NAME)}" for name in sorted(severities - set(BY_NAME))]
    end = _time("to", values.last("to"), now, faults)
    start = _time("from", values.last("from"), Nanos(end - DEFAULT_SPAN_S * NANOS_PER_SECOND), faults)
    if start >= end and not faults:
        faults.append(f"from ({to_ms(start)}) must be before to ({to_ms(end)})")
    limit = _whole("limit", values.last("limit"), (1, MAX_LIMIT), faults)
    older_s = _whole("older", values.last("older"), (0, MAX_OLDER_S), faults)
    bucket_s = _bucket_s(values.last("bucket"), faults)
    lost = values.last("lost")
    if lost not in (None, "true", "false"):
        faults.append(f"lost: {lost!r} is neither true nor false")
    moment = None if (at := values.last("at")) is None else _time("at", at, end, faults)
    kinds = frozenset(part.strip() for value in values.several("kind") for part in value.split(",")) - ALL
    faults += [f"kind: {name!r} is none of {', '.join(EventKind)}" for name in sorted(kinds - set(EventKind))]
    order = values.last("order")
    if order not in (None, "newest", "oldest"):
        faults.append(f"order: {order!r} is neither newest nor oldest")
    after = _event_id(values.last("after"), faults)
    paths = sorted(values.several("path"))
    faults += [f"path: {path!r} must begin with a slash, as /config/system/.../pv" for path in paths if not is_path(path)]
    if faults:
        raise BadQuestion("; ".join(faults))
    return Ask(
        start=start,
        end=end,
        config=values.last("config"),
        systems=values.several("system"),
        severities=severities,
        text=(values.last("q") or "").strip(),
        path=_path(paths[0])[0] if paths else None,
        tile_of=_path(paths[0])[1] if paths else None,
        further=tuple(map(canonical, paths[1:])),
        pv=values.last("pv"),
        kinds=frozenset(map(EventKind, kinds)) if not faults else frozenset(),
        user=values.last("user"),
        oldest_first=order == "oldest",
        after=after,
        at=moment,
        limit=limit,
        bucket_s=bucket_s,
        lost_connections=lost == "true",
        older_s=older_s or 0,
        tree=values.last("tree") or "",
    )


def _path(text: str) -> tuple[str, str | None]:
    """Canonical path; for `COMPONENT//TILE` that of the part that a tile stands for, and of the component."""
    first, *tiles = text.split("//")
    above, path = None, canonical(first)
    for tile in filter(None, tiles):
        try:
            above, path = path, join(path, tile)
        except PathError:
            return canonical(text), None
    return path, above


def _bucket_s(text: str | None, faults: list[str]) -> int | None:
    if text is None:
        return None
    if text.isascii() and text.isdigit() and len(text) < 6 and SHORTEST_BUCKET_S <= int(text) <= LONGEST_BUCKET_S:
        return int(text)
    faults.append(f"bucket: {text!r} is no whole number of seconds from {SHORTEST_BUCKET_S} to {LONGEST_BUCKET_S}")
    return None


def _event_id(text: str | None, faults: list[str]) -> EventId | None:
    try:
        return None if text is None else EventId.parse(text)
    except ValueError as problem:
        faults.append(f"after: {problem}")
        return None


def pairs_of(payload: Mapping[str, object]) -> list[tuple[str, str]]:
    """A JSON object as parameters: a list is a repeated one, null is none."""
    pairs: list[tuple[str, str]] = []
    for name, value in payload.items():
        items: Sequence[object] = value if isinstance(value, list) else [value]
        for item in items:
            if isinstance(item, dict | list):
                raise BadQuestion(f"{name}: expected a text, a number or a list of those, not {type(item).__name__}")
            if item is not None:
                pairs.append((name, str(item)))
    return pairs


def _time(name: str, text: str | None, default: Nanos, faults: list[str]) -> Nanos:
    """Milliseconds since the epoch, or ISO 8601 with a zone."""
    if text is None:
        return default
    try:
        ms = float(text)
        if math.isfinite(ms) and 0 <= ms <= _LAST_MS:
            return from_ms(int(ms))
    except ValueError:
        try:
            moment = datetime.fromisoformat(text)
            return from_datetime(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
        except (ValueError, OverflowError):
            pass
    faults.append(f"{name}: {text!r} is no time (expected milliseconds since the epoch, or ISO 8601)")
    return default


def _whole(name: str, text: str | None, limits: tuple[int, int], faults: list[str]) -> int | None:
    if text is None:
        return None
    least, most = limits
    if text.isascii() and text.isdigit() and len(text) < 10 and least <= int(text) <= most:
        return int(text)
    faults.append(f"{name}: {text!r} is no whole number from {least} to {most}")
    return None
