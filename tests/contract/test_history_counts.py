"""The sums of 10 minutes that SQLite keeps beside the events."""

import sqlite3

import pytest

from alarm_engine.journal.sqlite_file import SqliteFile
from alarm_engine.model.event import EventKind
from backend.history import sqlite_counts
from backend.history.port import CountBy
from backend.history.sqlite import SqliteHistory
from tests.contract.histories import at, event


async def bars(store, by=CountBy.SYSTEM, prefix=None):
    found = await store.counts("Demo", at(100), at(3000), 600, by, prefix)
    return [bar.counts for bar in found if bar.counts]


@pytest.mark.parametrize("missing", [tuple(sqlite_counts.TABLES), ("history_system_rise",)], ids=["all", "one"])
async def test_sums_are_made_of_a_file_that_has_none(tmp_path, missing):
    store = SqliteHistory(SqliteFile(tmp_path / "history.db"))
    await store.start()
    # The base of times is 1200 s before a full 10 minutes: two lie in the part before it, and one after the last full one.
    await store.write([event(n, 700 * n, f"/Demo/{'AB'[n % 2]}/PV{n}") for n in range(5)])
    expected = [{"B": 1}, {"A": 1}, {"B": 1}, {"A": 1}]
    assert await bars(store) == expected
    await store.close()
    with sqlite3.connect(tmp_path / "history.db") as connection:
        for table in missing:
            connection.execute(f"DROP TABLE {table}")
    connection.close()
    await store.start()
    assert await bars(store) == expected
    assert await bars(store, CountBy.KIND, "/Demo/A") == [{"alarm": 1}, {"alarm": 1}]
    await store.close()


async def test_an_alarm_named_like_a_system_is_not_left_out(tmp_path):
    store = SqliteHistory(SqliteFile(tmp_path / "history.db"))
    await store.start()
    await store.write([event(1, 1500, "/Demo/A"), event(2, 1500, "/Demo/A/PV"), event(3, 1500, "/Demo/A/PV", EventKind.CLEARED)])
    assert await bars(store, CountBy.KIND, "/Demo/A") == [{"alarm": 2, "cleared": 1}]
    assert await bars(store, CountBy.SYSTEM, "/Demo") == [{"A": 1, "": 1}]
    await store.close()


async def test_keeping_the_sums_never_looks_through_all_events(tmp_path):
    store = SqliteHistory(SqliteFile(tmp_path / "history.db"))
    await store.start()
    await store.write([event(1, 1)])
    await store.close()
    with sqlite3.connect(tmp_path / "history.db") as connection:
        statements: list[str] = []
        connection.set_trace_callback(statements.append)
        sqlite_counts.count_after(connection, 1)
        sqlite_counts.uncount(connection, [1])
        connection.set_trace_callback(None)
        plans = [row[3] for one in statements if "count(*)" in one for row in connection.execute(f"EXPLAIN QUERY PLAN {one}")]
    connection.close()
    assert len(plans) > 4
    assert [plan for plan in plans if plan.startswith("SCAN")] == []
