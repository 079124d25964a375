"""What every journal promises."""

import asyncio
import random
import tempfile
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alarm_engine.errors import JournalError, JournalUnavailable
from alarm_engine.journal.port import Cleanup, Position, Record, TopicSpec
from tests.contract.journals import ADAPTERS, EXACT, GRACE_S, read_all, until

pytestmark = pytest.mark.timeout(120)  # the first one starts a broker

SPECS = [
    TopicSpec("Demo", Cleanup.COMPACT),
    TopicSpec("DemoEvents", Cleanup.DELETE),
    TopicSpec("DemoTalk", Cleanup.DELETE, retention_s=20),
    TopicSpec("DemoSmall", Cleanup.DELETE, retention_bytes=10_000),
]


@pytest.fixture(params=ADAPTERS)
def adapter(request, tmp_path):
    return ADAPTERS[request.param](tmp_path)


exact = pytest.mark.parametrize("adapter", EXACT, indirect=True)
"""For what depends on the moment at which a journal forgets, or on a clock that is set."""


@pytest.fixture
async def journal(adapter):
    journal = adapter.new()
    await journal.start()
    await journal.ensure_topics(SPECS)
    yield journal
    await journal.close()


def plain(records):
    return [(r.topic, r.key, r.value, r.headers) for r in records]


async def test_an_empty_topic_is_caught_up_at_once(journal):
    reader = journal.reader(["Demo", "DemoEvents"])
    fetched = await reader.fetch()
    assert (list(fetched.records), fetched.caught_up) == ([], True)


async def test_records_come_back_as_they_were_in_written_order(journal, adapter):
    batch = [
        Record("Demo", "state:/Demo/a", b'{"severity":"MAJOR"}', (("tocsin-state", b"\x00\xff"), ("tocsin-state", b""), ("ä", b"2"))),
        Record("DemoEvents", "", b""),
        Record("Demo", "config:/Demo/Größe/\U0001f6a8\x00b", "Füße".encode()),
        Record("Demo", "state:/Demo/a", None),
        Record("DemoEvents", "x", b"\x00" * 1_000_000),
    ]
    await journal.append(batch)
    records = await read_all(journal, "Demo", "DemoEvents")
    if adapter.keeps_order_over_topics:
        assert plain(records) == [tuple(record) for record in batch]
    for topic in ("Demo", "DemoEvents"):
        ours = [record for record in records if record.topic == topic]
        assert plain(ours) == [tuple(record) for record in batch if record.topic == topic]
        assert [record.offset for record in ours] == sorted({record.offset for record in ours})
    assert records[0].header("tocsin-state") == ""
    assert records[0].header("nothing") is None


async def test_a_batch_is_written_wholly_or_not_at_all(journal):
    await journal.append([Record("Demo", "before", b"1")], [Position("engine", "DemoEvents", 3)])
    with pytest.raises(JournalUnavailable, match="NotThere"):
        await journal.append([Record("Demo", "k", b"v"), Record("NotThere", "k", b"v")], [Position("engine", "DemoEvents", 9)])
    with pytest.raises(JournalError, match="UTF-8"):
        await journal.append([Record("Demo", "k", b"v"), Record("Demo", "\ud800", b"v")], [Position("engine", "DemoEvents", 9)])
    assert [record.key for record in await read_all(journal, "Demo")] == ["before"]
    assert await journal.position("engine", "DemoEvents") == 3


async def test_a_failing_batch_does_not_harm_those_beside_it(journal):
    batches = [[Record("Demo" if n % 3 else "NotThere", str(n), b"v")] for n in range(30)]
    results = await asyncio.gather(*(journal.append(batch) for batch in batches), return_exceptions=True)
    assert [isinstance(result, JournalUnavailable) for result in results] == [n % 3 == 0 for n in range(30)]
    assert {record.key for record in await read_all(journal, "Demo")} == {str(n) for n in range(30) if n % 3}


async def test_positions(journal):
    assert await journal.position("history", "DemoEvents") is None
    await journal.append([], [Position("history", "DemoEvents", 5), Position("engine", "DemoEvents", 7)])
    await journal.append([], [Position("history", "DemoEvents", 6)])
    assert await journal.position("history", "DemoEvents") == 6
    assert await journal.position("engine", "DemoEvents") == 7
    assert await journal.position("history", "Demo") is None


async def test_an_empty_append_does_nothing(journal):
    await journal.append([])
    assert await read_all(journal, "Demo") == []


async def test_reading_from_an_offset(journal):
    await journal.append([Record("Demo", str(n), b"") for n in range(10)])
    await journal.append([Record("DemoEvents", str(n), b"") for n in range(10)])
    records = await read_all(journal, "Demo")
    rest = await read_all(journal, "Demo", "DemoEvents", start={"Demo": records[7].offset})
    assert [record.key for record in rest if record.topic == "Demo"] == ["7", "8", "9"]
    assert len([record for record in rest if record.topic == "DemoEvents"]) == 10


async def test_the_end_is_where_a_reader_stands_that_has_read_all(journal):
    await journal.append([Record("Demo", "a", b""), Record("DemoEvents", "b", b"")])
    records = await read_all(journal, "Demo")
    end = await journal.end("Demo")
    assert end > records[-1].offset
    await journal.append([Record("DemoEvents", "c", b"")])
    assert await journal.end("Demo") >= end
    assert await read_all(journal, "Demo", start={"Demo": end}) == []
    await journal.append([Record("Demo", "d", b"")])
    assert [record.key for record in await read_all(journal, "Demo", start={"Demo": end})] == ["d"]


async def test_batches_end_with_caught_up(journal):
    await journal.append([Record("Demo", str(n), b"") for n in range(10)])
    reader = journal.reader(["Demo"])
    got = [await reader.fetch(max_records=4) for _ in range(3)]
    assert [len(fetched.records) for fetched in got] == [4, 4, 2]
    assert [fetched.caught_up for fetched in got] == [False, False, True]
    exactly = journal.reader(["Demo"])
    assert (await exactly.fetch(max_records=10)).caught_up


async def test_following(journal):
    reader = journal.reader(["Demo"])
    assert (await reader.fetch()).caught_up
    waiting = asyncio.create_task(reader.fetch())
    await asyncio.sleep(0)
    await journal.append([Record("DemoEvents", "not asked for", b"")])
    await journal.append([Record("Demo", "k", b"v")])
    fetched = await asyncio.wait_for(waiting, 10)
    assert [(record.key, fetched.caught_up) for record in fetched.records] == [("k", True)]


async def test_a_time_out_is_an_empty_answer(journal):
    reader = journal.reader(["Demo"])
    await reader.fetch()
    for timeout_s in (0, 0.02):
        fetched = await reader.fetch(timeout_s=timeout_s)
        assert (list(fetched.records), fetched.caught_up) == ([], True)


async def test_closing_ends_a_waiting_fetch(journal):
    reader = journal.reader(["Demo"])
    await reader.fetch()
    waiting = asyncio.create_task(reader.fetch())
    await asyncio.sleep(0)
    await reader.close()
    assert list((await asyncio.wait_for(waiting, 10)).records) == []
    with pytest.raises(JournalError, match="closed"):
        await reader.fetch()


async def test_closing_the_journal_ends_its_readers(adapter):
    journal = adapter.new()
    await journal.start()
    await journal.ensure_topics(SPECS)
    reader = journal.reader(["Demo"])
    await reader.fetch()
    waiting = asyncio.create_task(reader.fetch())
    await asyncio.sleep(0)
    await journal.close()
    assert list((await asyncio.wait_for(waiting, 10)).records) == []
    with pytest.raises(JournalUnavailable):
        await journal.append([Record("Demo", "k", b"v")])
    await journal.close()


async def test_a_cancelled_fetch_has_delivered_nothing(journal):
    await journal.append([Record("Demo", str(n), b"") for n in range(300)])
    reader = journal.reader(["Demo"])
    seen = []
    chance = random.Random(1)
    while len(seen) < 300:
        fetch = asyncio.create_task(reader.fetch(max_records=7))
        for _ in range(chance.randrange(5)):
            await asyncio.sleep(0)
        fetch.cancel()
        try:
            seen += (await fetch).records
        except asyncio.CancelledError:
            seen += (await reader.fetch(max_records=3)).records
    assert [record.key for record in seen] == [str(n) for n in range(300)]


async def test_several_readers_each_get_all_of_it_in_order(journal):
    async def follow():
        reader, keys = journal.reader(["Demo", "DemoEvents"]), []
        while len(keys) < 400:
            keys += [record.key for record in (await reader.fetch(max_records=17)).records]
        return keys

    followers = [asyncio.create_task(follow()) for _ in range(5)]
    for n in range(200):
        await journal.append([Record("Demo", f"s{n}", b""), Record("DemoEvents", f"e{n}", b"")])
    expected = [f"{kind}{n}" for n in range(200) for kind in "se"]
    for keys in await asyncio.wait_for(asyncio.gather(*followers), 60):
        assert [key for key in keys if key[0] == "s"] == expected[::2]
        assert [key for key in keys if key[0] == "e"] == expected[1::2]


async def test_a_follower_on_another_event_loop_is_woken(journal):
    keys: list[str] = []
    ready = threading.Event()

    async def follow():
        reader = journal.reader(["Demo"])
        await reader.fetch()
        ready.set()
        while len(keys) < 50:
            keys.extend(record.key for record in (await reader.fetch()).records)
        await journal.append([Record("DemoEvents", "from there", b"")])

    thread = threading.Thread(target=lambda: asyncio.run(follow()))
    thread.start()
    await asyncio.to_thread(ready.wait, 10)
    for n in range(50):
        await journal.append([Record("Demo", str(n), b"")])
    await asyncio.to_thread(thread.join, 10)
    assert keys == [str(n) for n in range(50)]
    assert [record.key for record in await read_all(journal, "DemoEvents")] == ["from there"]


@exact
async def test_record_times_never_run_back(journal, adapter):
    await journal.append([Record("Demo", "a", b"")])
    first = adapter.clock()
    adapter.clock.advance(-3600)
    await journal.append([Record("DemoEvents", "b", b"")])
    adapter.clock.advance(3601)
    await journal.append([Record("Demo", "c", b"")])
    times = [record.time for record in await read_all(journal, "Demo", "DemoEvents")]
    assert times == [first, first, first + 1_000_000_000]


@exact
async def test_compaction_keeps_the_last_record_of_each_key(journal, adapter):
    for n in range(30):
        await journal.append([Record("Demo", f"k{n % 4}", str(n).encode()), Record("DemoEvents", f"k{n % 4}", b"")])
    before = await journal.end("Demo")
    await adapter.forget(journal)
    assert [(r.key, r.value) for r in await read_all(journal, "Demo")] == [("k2", b"26"), ("k3", b"27"), ("k0", b"28"), ("k1", b"29")]
    assert len(await read_all(journal, "DemoEvents")) == 30
    assert [record.value for record in await read_all(journal, "Demo", start={"Demo": 1})] == [b"26", b"27", b"28", b"29"]
    assert await journal.end("Demo") == before


@exact
async def test_a_tombstone_removes_the_key_and_goes_itself_after_its_grace(journal, adapter):
    await journal.append([Record("Demo", "gone", b"1"), Record("Demo", "stays", b"2")])
    await journal.append([Record("Demo", "gone", None)])
    await adapter.forget(journal)
    assert [(r.key, r.value) for r in await read_all(journal, "Demo")] == [("stays", b"2"), ("gone", None)]
    end = await journal.end("Demo")
    adapter.clock.advance(GRACE_S + 1)
    await adapter.forget(journal)
    assert [r.key for r in await read_all(journal, "Demo")] == ["stays"]
    assert await journal.end("Demo") == end


@exact
async def test_an_open_reader_gets_a_tombstone_however_old(journal, adapter):
    await journal.append([Record("Demo", "a", b"1")])
    reader = journal.reader(["Demo"])
    assert len((await reader.fetch()).records) == 1
    await journal.append([Record("Demo", "a", None)])
    adapter.clock.advance(GRACE_S + 1)
    await adapter.forget(journal)
    assert [(r.key, r.value) for r in (await reader.fetch()).records] == [("a", None)]
    await adapter.forget(journal)
    assert await read_all(journal, "Demo") == []


@exact
async def test_a_slow_follower_gets_the_last_record_of_every_key(journal, adapter):
    reader = journal.reader(["Demo"])
    seen: dict[str, bytes | None] = {}
    for n in range(200):
        await journal.append([Record("Demo", f"k{k}", f"{n}".encode()) for k in range(n % 7)])
        if n % 10 == 0:
            seen.update((r.key, r.value) for r in (await reader.fetch(max_records=5)).records)
        if n % 25 == 0:
            await adapter.forget(journal)
    end = await journal.end("Demo")
    offset = 0
    while offset < end:
        fetched = await reader.fetch(max_records=5)
        seen.update((r.key, r.value) for r in fetched.records)
        offset = fetched.records[-1].offset + 1
    assert seen == {r.key: r.value for r in await read_all(journal, "Demo")}
    assert len(seen) == 6


@exact
async def test_retention_by_time(journal, adapter):
    await journal.append([Record("DemoTalk", str(n), b"") for n in range(1200)])
    adapter.clock.advance(15)
    await journal.append([Record("DemoTalk", "later", b"")])
    adapter.clock.advance(10)
    await adapter.forget(journal)
    assert [record.key for record in await read_all(journal, "DemoTalk")] == ["later"]
    end = await journal.end("DemoTalk")
    adapter.clock.advance(30)
    await adapter.forget(journal)
    assert await read_all(journal, "DemoTalk") == []
    assert await journal.end("DemoTalk") == end
    await journal.append([Record("DemoTalk", "anew", b"")])
    assert [record.offset >= end for record in await read_all(journal, "DemoTalk")] == [True]


@exact
async def test_retention_by_bytes(journal, adapter):
    for n in range(50):
        await journal.append([Record("DemoSmall", f"{n:04}", b"x" * 996), Record("Demo", str(n), b"x" * 996)])
    await adapter.forget(journal)
    assert [record.key for record in await read_all(journal, "DemoSmall")] == [f"{n:04}" for n in range(40, 50)]
    assert len(await read_all(journal, "Demo")) == 50
    await journal.append([Record("DemoSmall", "more", b"x" * 996)])
    await adapter.forget(journal)
    assert len(await read_all(journal, "DemoSmall")) == 10


@exact
async def test_settings_of_a_topic_can_change(journal, adapter):
    await journal.append([Record("DemoEvents", str(n), b"x" * 100) for n in range(10)])
    await adapter.forget(journal)
    assert len(await read_all(journal, "DemoEvents")) == 10
    await journal.ensure_topics([TopicSpec("DemoEvents", Cleanup.DELETE, retention_bytes=303)])
    await adapter.forget(journal)
    assert [record.key for record in await read_all(journal, "DemoEvents")] == ["7", "8", "9"]


@exact
async def test_appending_and_following_while_compaction_runs(journal, adapter):
    running = True

    async def compact():
        passes = 0
        while running:
            await adapter.forget(journal)
            await asyncio.sleep(0)
            passes += 1
        return passes

    async def follow():
        reader, seen = journal.reader(["DemoEvents"]), []
        while len(seen) < 600:
            seen += [record.key for record in (await reader.fetch(max_records=11)).records]
        return seen

    compacting, following = asyncio.create_task(compact()), asyncio.create_task(follow())
    for n in range(300):
        await journal.append([Record("Demo", f"k{n % 5}", str(n).encode()), *(Record("DemoEvents", f"{n}.{i}", b"") for i in range(2))])
    seen = await asyncio.wait_for(following, 60)
    running = False
    assert await compacting > 0
    assert seen == [f"{n}.{i}" for n in range(300) for i in range(2)]
    await adapter.forget(journal)
    assert [record.value for record in await read_all(journal, "Demo")] == [str(n).encode() for n in range(295, 300)]


async def test_everything_is_there_after_a_restart(adapter):
    for round_ in range(3):
        journal = adapter.new()
        await journal.start()
        await journal.ensure_topics(SPECS)
        assert len(await read_all(journal, "Demo")) == round_ * 2
        await journal.append([Record("Demo", "a", b""), Record("Demo", "b", None)], [Position("g", "Demo", round_)])
        assert await journal.position("g", "Demo") == round_
        await journal.close()


async def test_a_topic_that_is_made_later_is_read_from_its_beginning(journal):
    reader = journal.reader(["DemoLater"])
    assert (await reader.fetch()).caught_up
    assert await journal.end("DemoLater") == 0
    await journal.ensure_topics([TopicSpec("DemoLater", Cleanup.COMPACT)])
    await journal.append([Record("DemoLater", "k", b"v")])
    await until(lambda: journal.end("DemoLater"))
    assert [record.key for record in (await reader.fetch(timeout_s=10)).records] == ["k"]


KEYS = st.sampled_from(["", "a", "b", "ü\n", "state:/Demo/x"])
RECORDS = st.builds(
    Record,
    st.sampled_from(["Demo", "DemoEvents"]),
    KEYS,
    st.none() | st.binary(max_size=20),
    st.lists(st.tuples(st.text(max_size=3).filter(lambda text: text.isprintable()), st.binary(max_size=4)), max_size=2).map(tuple),
)
BATCHES = st.tuples(st.just("append"), st.lists(RECORDS, max_size=6), st.none() | st.integers(0, 50))
FETCHES = st.tuples(st.just("fetch"), st.integers(0, 2), st.integers(1, 7))
OTHERS = st.tuples(st.sampled_from(["compact", "restart"]))


class Model:
    """A journal as a plain list. Compaction may drop what is superseded, so those records are optional."""

    def __init__(self):
        self.records = []
        self.position = None

    def superseded(self, n):
        record = self.records[n]
        return record.topic == "Demo" and any(r.topic == "Demo" and r.key == record.key for r in self.records[n + 1 :])

    def explains(self, start, got, end):
        """`got` is what lies between, in order, where at most superseded records are missing."""
        at = start
        for record in got:
            while self.records[at] != record:
                assert self.superseded(at), f"lost {self.records[at]}"
                at += 1
            at += 1
        if end:
            assert all(self.superseded(n) for n in range(at, len(self.records)))
            at = len(self.records)
        return at


async def play(adapter, steps):
    journal = adapter.new()
    await journal.start()
    await journal.ensure_topics(SPECS)
    model = Model()
    readers = [journal.reader(["Demo", "DemoEvents"]) for _ in range(3)]
    at = [0, 0, 0]
    for step in steps:
        if step[0] == "append":
            # A number in a header tells equal records apart.
            batch = [r._replace(headers=(*r.headers, ("n", b"%d" % n))) for n, r in enumerate(step[1], len(model.records))]
            await journal.append(batch, [] if step[2] is None else [Position("g", "Demo", step[2])])
            model.records += batch
            model.position = model.position if step[2] is None else step[2]
        elif step[0] == "fetch":
            fetched = await readers[step[1]].fetch(max_records=step[2], timeout_s=0)
            got = [Record(r.topic, r.key, r.value, r.headers) for r in fetched.records]
            at[step[1]] = model.explains(at[step[1]], got, fetched.caught_up)
        elif step[0] == "compact":
            await adapter.forget(journal)
            kept = [Record(r.topic, r.key, r.value, r.headers) for r in await read_all(journal, "Demo", "DemoEvents")]
            assert kept == [record for n, record in enumerate(model.records) if not model.superseded(n)]
        else:
            await journal.close()
            journal = adapter.new()
            await journal.start()
            readers = [journal.reader(["Demo", "DemoEvents"]) for _ in range(3)]
            at = [0, 0, 0]
        assert await journal.position("g", "Demo") == model.position
    kept = [Record(r.topic, r.key, r.value, r.headers) for r in await read_all(journal, "Demo", "DemoEvents", max_records=3)]
    model.explains(0, kept, True)
    await journal.close()


@pytest.mark.parametrize("name", EXACT)
@settings(max_examples=40, deadline=None)
@given(steps=st.lists(st.one_of(BATCHES, BATCHES, FETCHES, FETCHES, OTHERS), max_size=25))
def test_behaves_like_a_list(name, steps):
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(play(ADAPTERS[name](Path(directory)), steps))
