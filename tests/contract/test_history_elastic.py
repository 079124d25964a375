"""The history in Elasticsearch when things go wrong: a proxy before the real server answers 429, 503, half a bulk or not at all."""

import asyncio
import itertools
from dataclasses import replace

import pytest
import structlog

from alarm_engine.errors import HistoryError, HistoryUnavailable, QueryTooLarge
from alarm_engine.journal.memory import MemoryJournal
from alarm_engine.journal.port import Cleanup, Record, TopicSpec
from alarm_engine.wire.event import encode_event
from backend.history import elastic, elastic_reader
from backend.history.elastic_bulk import send
from backend.history.elastic_client import connect
from backend.history.elastic_mapping import EVENT_FIELDS
from backend.history.elastic_names import Names
from backend.history.elastic_reader import Question
from backend.history.port import MAX_PAGE, CountBy, EventQuery
from backend.history.writer import GROUP, HistoryWriter, WriterOptions
from tests.contract.elastic_proxy import ElasticProxy, answer_lost, half_a_bulk, json_answer, on_bulk, refusal, slow, times
from tests.contract.histories import ElasticForTests, at, delete_all, elastic_options, elastic_url, event, months, mortal_server, opened
from tests.contract.journals import until

pytestmark = pytest.mark.timeout(150)

ALL = EventQuery("Demo", at(0), at(1000))
QUICK = {"longest_write_s": 0.5, "longest_pause_s": 0.05}


@pytest.fixture
async def proxy():
    async with ElasticProxy(elastic_url()) as proxy:
        yield proxy


@pytest.fixture
async def store(proxy):
    """Comes to the server through the proxy."""
    store = ElasticForTests(elastic_options(hosts=(proxy.url,), longest_pause_s=0.05))
    await store.start()
    yield store
    proxy.fault = None
    await store.close()


@pytest.fixture
async def client(store):
    """For what others do to our indices."""
    client = connect(replace(store.options, hosts=(elastic_url(),)))
    yield client
    await client.close()


async def numbers(store, **changes):
    return [event.id.n for event in (await store.events(replace(ALL, oldest_first=True, limit=1000, **changes))).events]


def busy():
    return refusal(429, "es_rejected_execution_exception", "the queue is full")


async def test_a_busy_server_gets_the_bulk_again(store, proxy):
    proxy.fault = times(3, on_bulk(busy))
    assert await store.write([event(n, n) for n in range(1, 8)]) == 7
    assert len(proxy.bulks) == 4
    assert await numbers(store) == [*range(1, 8)]


@pytest.mark.parametrize("status", [429, 502, 503, 504])
async def test_a_server_that_stays_busy_is_named_and_healing_is_seen(proxy, store, status):
    proxy.fault = on_bulk(lambda: refusal(status, "some_exception", "no room"))
    async with opened(hosts=(proxy.url,), prefix=store.options.prefix, **QUICK) as hasty:
        with pytest.raises(HistoryUnavailable, match=rf"Elasticsearch at {proxy.url} is busy or not ready \({status}: some_exception: no"):
            await hasty.write([event(1, 1)])
        proxy.fault = None
        assert await hasty.write([event(1, 1)]) == 1


async def test_of_half_a_bulk_the_rest_is_sent_again(store, proxy):
    proxy.fault = half_a_bulk
    assert await store.write([event(n, n) for n in range(1, 21)]) == 20
    assert [call.body.count(b"\n") // 2 for call in proxy.bulks] == [20, 10, 5, 2, 1]
    assert await numbers(store) == [*range(1, 21)]


async def test_a_bulk_whose_answer_was_lost_is_stored_once(store, proxy):
    proxy.fault = times(2, answer_lost)
    assert await store.write([event(n, n) for n in range(1, 8)]) == 0  # they were there when it was tried again
    assert await numbers(store) == [*range(1, 8)]


async def test_an_answer_for_too_few_documents_is_not_believed(store, proxy):
    proxy.fault = times(1, on_bulk(lambda: json_answer({"errors": False, "items": [{"create": {"status": 201}}]})))
    assert await store.write([event(n, n) for n in range(1, 8)]) == 7
    assert await numbers(store) == [*range(1, 8)]


async def test_a_proxy_that_takes_small_requests_only(store, proxy):
    async def small(call, forward):
        return refusal(413, "too_large", "request entity too large") if call.is_bulk and len(call.body) > 3_000 else None

    proxy.fault = small
    events = [event(n, n, comment="x" * 5_000 if n == 4 else "") for n in range(1, 21)]
    assert await store.write(events) == 19
    assert await numbers(store) == [n for n in range(1, 21) if n != 4]
    (letter,) = await store.dead_letters("Demo")
    assert letter.key == "Demo.1.4"
    assert letter.reason.startswith("413: too_large: request entity too large (its 5")
    assert letter.body == b""


async def test_bulks_are_of_limited_size(proxy):
    async with opened(hosts=(proxy.url,), bulk_bytes=20_000) as store:
        assert await store.write([event(n, n / 10, comment="x" * 1_000) for n in range(1, 101)]) == 100
        assert max(len(call.body) for call in proxy.bulks) < 25_000
        await delete_all(store._options)


async def test_a_poisoned_event_stops_no_other(store):
    poisoned = event(500, 500, path="/Demo/" + "x" * 40_000)
    events = [event(n, n) for n in range(1, 500)] + [poisoned] + [event(n, n) for n in range(501, 901)]
    with structlog.testing.capture_logs() as logs:
        assert await store.write(events) == 899
    assert await store.write(events) == 0
    assert len(await numbers(store)) == 899
    (letter,) = await store.dead_letters("Demo")
    assert letter.key == "Demo.1.500"
    assert letter.reason.startswith('400: illegal_argument_exception: Document contains at least one immense term in field="path"')
    assert b"x" * 40_000 in letter.body
    assert [line["key"] for line in logs if line["event"] == "event cannot be stored and was put aside"] == ["Demo.1.500"]


async def test_an_id_too_long_for_the_server(store):
    config = "D" * 600
    assert await store.write([event(1, 1, config=config), event(1, 1), event(2, 2, config=config)]) == 3
    page = await store.events(replace(ALL, config=config))
    assert [one.id for one in page.events] == [event(2, 2, config=config).id, event(1, 1, config=config).id]


async def test_a_lost_index_is_made_again(store, client):
    await store.write([event(1, 1), event(2, months(1.2))])
    place = Names(store.options.prefix).place("Demo", at(0))
    await client.indices.delete(index=place.index)
    await client.indices.delete_index_template(name=f"{store.options.prefix}-events")
    assert store.losses == 0
    assert await store.write([event(3, 3), event(4, months(1.3))]) == 2
    assert store.losses == 1
    assert [one.id.n for one in (await store.events(replace(ALL, end=at(months(2))))).events] == [4, 3, 2]
    found = await client.indices.get_mapping(index=place.index)
    assert found[place.index]["mappings"]["dynamic"] == "strict"


async def test_an_index_of_others_is_reported_and_poisons_nothing(store, client):
    index = Names(store.options.prefix).place("Demo", at(0)).index
    await client.indices.create(index=index, mappings={"properties": {"time": {"type": "date"}, "path": {"type": "text"}}})
    with pytest.raises(HistoryError, match=f"index {index}: dynamic is true, expected strict; .*field time is date, expected long"):
        await store.write([event(1, 1)])
    with pytest.raises(HistoryError, match=r"whose mapping is not ours .*: delete or reindex them, or give another prefix"):
        async with opened(prefix=store.options.prefix):
            pass
    assert await store.dead_letters("Demo") == []
    await client.indices.delete(index=index)
    assert await store.write([event(1, 1)]) == 1


async def test_a_mapping_that_was_changed_under_us_poisons_nothing(store, client):
    await store.write([event(1, 1)])
    place = Names(store.options.prefix).place("Demo", at(0))
    await client.indices.delete(index=place.index)
    await client.indices.delete_index_template(name=f"{store.options.prefix}-events")
    wrong = {"dynamic": "strict", "properties": {name: kind for name, kind in EVENT_FIELDS.items() if name != "user"}}
    await client.indices.create(index=place.index, aliases={place.alias: {}}, mappings=wrong)
    with pytest.raises(HistoryError, match="field user is missing"):
        await store.write([event(2, 2)])
    assert await store.dead_letters("Demo") == []


async def test_an_index_that_takes_no_writes_poisons_nothing(store, client):
    await store.write([event(1, 1)])
    index = Names(store.options.prefix).place("Demo", at(0)).index
    await client.indices.put_settings(index=index, settings={"index.blocks.write": True})
    with pytest.raises(HistoryError, match=r"refuses a document for .*\(403: cluster_block_exception"):
        await store.write([event(2, 2)])
    assert await store.dead_letters("Demo") == []
    await client.indices.put_settings(index=index, settings={"index.blocks.write": None})
    assert await store.write([event(2, 2)]) == 1


async def test_a_slow_server_is_given_up_in_time(store, proxy):
    await store.write([event(1, 1)])
    proxy.fault = slow(30)
    async with opened(hosts=(proxy.url,), prefix=store.options.prefix, longest_query_s=0.2) as hasty:
        clock = asyncio.get_running_loop().time
        begin = clock()
        with pytest.raises(HistoryUnavailable, match="does not answer in time"):
            await hasty.events(ALL)
        assert clock() - begin < 10


async def test_a_question_that_takes_too_long_says_so_and_gives_no_part_of_the_answer(store, proxy):
    await store.write([event(1, 1)])

    async def timed_out(call, forward):
        return json_answer({"timed_out": True, "hits": {"hits": []}}) if call.is_search else None

    proxy.fault = timed_out
    for question in (store.events(ALL), store.counts("Demo", at(0), at(9), 1, CountBy.KIND), store.last_before("Demo", ["/P"], at(9))):
        with pytest.raises(QueryTooLarge, match=r"took longer than 15 s: ask for a shorter range"):
            await question


async def test_questions_too_large_for_the_server(store, monkeypatch):
    await store.write([event(n, n, f"/Demo/P{n}") for n in range(1, 20)])
    with pytest.raises(QueryTooLarge, match=r"finds the question too large .*determinize"):
        await store.events(replace(ALL, pv="*a" + "?" * 40))
    monkeypatch.setattr("backend.history.elastic_figures.MAX_CHANGES", 10)
    with pytest.raises(QueryTooLarge, match="more than 10 changes"):
        await store.intervals("Demo", [f"/Demo/P{n}" for n in range(1, 20)], at(0), at(100))
    monkeypatch.setattr("backend.history.elastic_reader.MOST_GROUPS", 10)
    with pytest.raises(QueryTooLarge, match="more than 10 groups"):
        await store.most_frequent("Demo", at(0), at(100), 5)


async def test_the_longest_page(store):
    events = [event(n, n / 100) for n in range(1, MAX_PAGE + 6)]
    assert await store.write(events) == len(events)
    first = await store.events(replace(ALL, limit=MAX_PAGE))
    assert [one.id.n for one in first.events] == [*range(MAX_PAGE + 5, 5, -1)]
    assert (await store.events(replace(ALL, limit=MAX_PAGE, after=first.next))).events == tuple(reversed(events[:5]))


async def test_an_index_deleted_between_two_pages_makes_no_shorter_answer(store, client, monkeypatch):
    monkeypatch.setattr(elastic_reader, "HITS_A_PAGE", 3)
    old, new = months(1.5), months(2.5)
    await store.write([event(n, (old if n <= 5 else new) + n) for n in range(1, 11)])
    page, doomed = Question._page, [Names(store.options.prefix).place("Demo", at(old)).index]

    async def then_delete(self, body, pattern):
        found = await page(self, body, pattern)
        if "pit" in body and doomed:
            await client.indices.delete(index=doomed.pop())
        return found

    monkeypatch.setattr(Question, "_page", then_delete)
    with pytest.raises(HistoryUnavailable, match="ask again"):
        await numbers(store, end=at(months(3)))
    assert not doomed


async def test_who_asks_during_a_write_takes_nothing_from_who_asks_after_it(store, monkeypatch):
    async def asked_meanwhile(*arguments):
        await numbers(store)
        return await send(*arguments)

    monkeypatch.setattr(elastic, "send", asked_meanwhile)
    for n in range(1, 4):
        await store.write([event(n, n)])
        assert await numbers(store) == [*range(1, n + 1)]


async def test_another_reader_sees_it_after_the_refresh_of_the_server(store):
    async with opened(prefix=store.options.prefix) as reader:
        assert await numbers(reader) == []
        await store.write([event(1, 1)])
        await until(lambda: numbers(reader), 30)


async def test_a_server_without_life_cycle_management_is_used_all_the_same():
    with structlog.testing.capture_logs() as logs:
        async with opened(ilm_delete_days=900) as store:
            assert await store.write([event(1, 1)]) == 1
            await delete_all(store._options)
    assert "only our own retention deletes" in logs[0]["event"]


async def test_what_was_acknowledged_outlives_a_crash():
    with mortal_server() as server:
        async with opened(longest_write_s=60.0) as store:
            written, enough = [], asyncio.Event()

            async def write():
                for n in itertools.takewhile(lambda n: not enough.is_set(), itertools.count(1)):
                    await store.write([event(n * 100 + k, n / 10) for k in range(100)])
                    written.append(n)

            writing = asyncio.create_task(write())
            await until(lambda: len(written) > 10, 30)
            server.kill()
            before = len(written)
            await asyncio.to_thread(server.start)
            await until(lambda: len(written) > before + 10, 60)
            enough.set()
            await writing
            counts = await store.counts("Demo", at(0), at(1000), 3600, CountBy.KIND)
            assert sum(bar.counts["alarm"] for bar in counts if bar.counts) == len(written) * 100
            await delete_all(store._options)


async def test_the_writer_copies_everything_over_faults(store, proxy):
    """Half bulks, lost answers, a full queue, a poisoned event and a record that is none: all the others come to history, once."""
    journal = MemoryJournal()
    await journal.ensure_topics([TopicSpec("DemoEvents", Cleanup.DELETE)])
    events = [event(n, n / 10, path="/Demo/" + "x" * 40_000 if n == 77 else "/Demo/Vac/PV1") for n in range(1, 301)]
    await journal.append([Record("DemoEvents", str(one.id), encode_event(one)) for one in events])
    await journal.append([Record("DemoEvents", "odd", b"{")])
    faults = itertools.cycle([half_a_bulk, on_bulk(busy), answer_lost, lambda call, forward: asyncio.sleep(0)])

    async def fault(call, forward):
        return await next(faults)(call, forward) if call.is_bulk else None

    proxy.fault = fault
    writer = HistoryWriter(journal, store, ["Demo"], options=WriterOptions(batch_records=40, first_pause_s=0.001))
    await writer.start()
    try:
        await until(lambda: writer.lag == 0 and writer.failed == 2)
    finally:
        await writer.stop()
    proxy.fault = None
    assert await numbers(store) == [n for n in range(1, 301) if n != 77]
    assert [letter.key for letter in await store.dead_letters("Demo")] == ["Demo.1.77", "DemoEvents@301"]
    assert await journal.position(GROUP, "DemoEvents") == await journal.end("DemoEvents")
