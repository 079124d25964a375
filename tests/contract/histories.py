"""The history stores that the contract is tested against. Another adapter is added by one class and one line in `ADAPTERS`."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from alarm_engine.journal.sqlite_file import SqliteFile
from alarm_engine.model.event import CommandResult, Event, EventKind
from alarm_engine.model.severity import Severity
from alarm_engine.model.state import Alarm, EventId, Sample, Snapshot, Suppression
from alarm_engine.model.times import Nanos
from backend.history.elastic import ElasticHistory
from backend.history.elastic_client import connect
from backend.history.elastic_options import ElasticOptions
from backend.history.memory import MemoryHistory
from backend.history.port import HistoryStore
from backend.history.sqlite import SqliteHistory
from tests.elasticsearch_server import ElasticsearchServer, shared_server
from tests.maven_cache import Missing


def elastic_server() -> ElasticsearchServer:
    """The server of the session."""
    try:
        return shared_server()
    except Missing as problem:
        pytest.skip(str(problem))


def elastic_url() -> str:
    """Its address."""
    return elastic_server().url


@contextlib.contextmanager
def mortal_server() -> Iterator[ElasticsearchServer]:
    """The server of the session for a test that kills it: afterwards it runs again, with all its data."""
    server = elastic_server()
    try:
        yield server
    finally:
        if not server.running:
            server.start()


def elastic_options(**more: object) -> ElasticOptions:
    """With indices of its own on the server of the session."""
    given: dict[str, object] = {"hosts": (elastic_url(),), "prefix": f"t{secrets.token_hex(4)}", "first_pause_s": 0.01, **more}
    return ElasticOptions(**given)  # type: ignore[arg-type]


class ElasticForTests(ElasticHistory):
    """Takes its indices with it when it is closed."""

    def __init__(self, options: ElasticOptions | None = None) -> None:
        self.options = options or elastic_options()
        super().__init__(self.options)

    async def close(self) -> None:
        await super().close()
        await delete_all(self.options)


async def delete_all(options: ElasticOptions) -> None:
    """Delete what tests with a prefix have made."""
    client = connect(options)
    try:
        if found := list(await client.indices.get_alias(index=f"{options.prefix}-*")):
            await client.indices.delete(index=found)
        for end in ("events", "dead"):
            await client.options(ignore_status=404).indices.delete_index_template(name=f"{options.prefix}-{end}")
    finally:
        await client.close()


@contextlib.asynccontextmanager
async def opened(**options: object) -> AsyncIterator[ElasticHistory]:
    """A store beside, or after, another one."""
    store = ElasticHistory(elastic_options(**options))
    try:
        await store.start()
        yield store
    finally:
        await store.close()


ADAPTERS: dict[str, Callable[[Path], HistoryStore]] = {
    "memory": lambda directory: MemoryHistory(),
    "sqlite": lambda directory: SqliteHistory(SqliteFile(directory / "history.db")),
    "elastic": lambda directory: ElasticForTests(),
}

SECOND = 1_000_000_000
BASE = 1_700_000_000 * SECOND


def at(seconds: float) -> Nanos:
    """A time some seconds after the base of the tests."""
    return Nanos(BASE + round(seconds * SECOND))


def months(number: float) -> float:
    """Seconds from the base to a time in some month, counted from January 2024: 1.5 is in the middle of February."""
    begin = datetime(2024 + int(number) // 12, int(number) % 12 + 1, 1, tzinfo=UTC).timestamp()
    return begin - BASE // SECOND + number % 1 * 28 * 86_400


def snapshot(
    severity: Severity, message: str = "HIHI_ALARM", *, suppressed: bool = False, until: Nanos | None = None, connected: bool = True
) -> Snapshot:
    """State of an alarm; a suppressed one is out of service, or shelved `until` some time."""
    return Snapshot(
        alarm=Alarm(Severity.OK if suppressed else severity, "Disabled" if suppressed else message, "1", at(0)),
        current=Sample(severity, message, "1", at(0)),
        connected=connected,
        since=at(0),
        suppression=Suppression("u", "h", "r", at(0), until) if suppressed else None,
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
