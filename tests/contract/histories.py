"""The history stores that the contract is tested against. Another adapter is added by one class and one line in `ADAPTERS`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from alarm_engine.journal.sqlite_file import SqliteFile
from alarm_engine.model.event import CommandResult, Event, EventKind
from alarm_engine.model.severity import Severity
from alarm_engine.model.state import Alarm, EventId, Sample, Snapshot, Suppression
from alarm_engine.model.times import Nanos
from backend.history.memory import MemoryHistory
from backend.history.port import HistoryStore
from backend.history.sqlite import SqliteHistory

ADAPTERS: dict[str, Callable[[Path], HistoryStore]] = {
    "memory": lambda directory: MemoryHistory(),
    "sqlite": lambda directory: SqliteHistory(SqliteFile(directory / "history.db")),
}

SECOND = 1_000_000_000
BASE = 1_700_000_000 * SECOND


def at(seconds: float) -> Nanos:
    """A time some seconds after the base of the tests."""
    return Nanos(BASE + round(seconds * SECOND))


def snapshot(severity: Severity, message: str = "HIHI_ALARM", *, suppressed: bool = False, connected: bool = True) -> Snapshot:
    """State of an alarm."""
    return Snapshot(
        alarm=Alarm(Severity.OK if suppressed else severity, "Disabled" if suppressed else message, "1", at(0)),
        current=Sample(severity, message, "1", at(0)),
        connected=connected,
        since=at(0),
        suppression=Suppression("u", "h", "r", at(0), None) if suppressed else None,
    )


def event(n: int, seconds: float, path: str = "/Demo/Vac/PV1", kind: EventKind = EventKind.ALARM, **more: object) -> Event:
    """An event with a snapshot of its severity, unless `state=None` is given."""
    severity = more.pop("severity", Severity.MAJOR)
    assert isinstance(severity, Severity)
    state = more.pop("state", snapshot(severity))
    config, epoch = str(more.pop("config", "Demo")), more.pop("epoch", 1)
    assert isinstance(epoch, int)
    return Event(EventId(config, epoch, n), at(seconds), kind, path, Severity.OK, severity, snapshot=state, **more)  # type: ignore[arg-type]


def command(n: int, seconds: float, path: str = "/Demo/Vac", **more: object) -> Event:
    """An event that is not about one alarm."""
    result = CommandResult("acknowledge", 3, ("/Demo/Vac/PV1",))
    return event(n, seconds, path, EventKind.COMMAND, state=None, severity=Severity.OK, result=result, **more)
