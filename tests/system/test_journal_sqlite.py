"""What can happen to a SQLite file in a control room: kills, damage, locks, full disks, two processes."""

import asyncio
import json
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading

import pytest

from alarm_engine.errors import JournalCorrupt, JournalError, JournalUnavailable
from alarm_engine.journal.port import Cleanup, Record, TopicSpec
from alarm_engine.journal.sqlite import JournalOptions, SqliteJournal
from alarm_engine.journal.sqlite_file import SqliteFile
from alarm_engine.journal.sqlite_open import APPLICATION_ID, Access, FileOptions
from alarm_engine.journal.sqlite_writer import MAX_GROUP, Job
from tests.contract.journals import read_all, until
from tests.system.journal_writer import BATCH, batch

pytestmark = [pytest.mark.system, pytest.mark.timeout(90)]

SPECS = [TopicSpec("Demo", Cleanup.COMPACT), TopicSpec("DemoEvents", Cleanup.DELETE)]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "tocsin.db"


async def opened(path, **options):
    journal = SqliteJournal(SqliteFile(path, FileOptions(**options)))
    await journal.start()
    await journal.ensure_topics(SPECS)
    return journal


@pytest.fixture
async def journal(path):
    journal = await opened(path, busy_timeout_s=0.2)
    yield journal
    await journal.close()


async def fill(path, count=2000):
    journal = await opened(path)
    await journal.append([Record("Demo", f"key {n}", b"x" * 200) for n in range(count)])
    await journal.close()


def writing_process(path):
    return subprocess.Popen([sys.executable, "-m", "tests.system.journal_writer", str(path)], stdout=subprocess.PIPE, text=True)


@pytest.fixture
def small_disk(tmp_path):
    mount = tmp_path / "small"
    mount.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(mount)], capture_output=True, check=False).returncode:
        pytest.skip("no right to mount a small file system")
    yield mount
    subprocess.run(["umount", str(mount)], check=True)


async def append_until_refused(journal):
    """Records of 2 kB; how many were written, and the sentence."""
    for n in range(1000):
        try:
            await journal.append([Record("Demo", str(n), b"x" * 2000)])
        except JournalUnavailable as problem:
            return n, str(problem)
    raise AssertionError("nothing was refused")


async def held(file, until_set):
    """A job that keeps the writer busy until the event is set; it has begun when this returns."""
    begun = threading.Event()

    def hold(connection):
        begun.set()
        return until_set.wait(30)

    future = file.submit(Job(hold))
    await asyncio.to_thread(begun.wait, 30)
    return future


async def read_the_file(path):
    journal = await opened(path)
    try:
        return await read_all(journal, "Demo")
    finally:
        await journal.close()


async def refusal(path, error=JournalCorrupt):
    """The sentence with which a file is refused; nothing may be left open or locked by the attempt."""
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(error) as caught:
        await opened(path)
    assert before is None or path.read_bytes() == before
    return str(caught.value)


async def test_killed_at_any_moment_nothing_acknowledged_is_lost(path):
    chance = random.Random()
    acknowledged: set[int] = set()
    for _ in range(20):
        process = writing_process(path)
        try:
            line = await asyncio.to_thread(process.stdout.readline)
            acknowledged.add(int(line))
            await asyncio.sleep(chance.uniform(0, 0.4))  # the random moment, not a wait for something
        finally:
            process.send_signal(signal.SIGKILL)
            rest = process.stdout.read()
            process.stdout.close()
            process.wait()
        acknowledged |= {int(text) for text in rest.splitlines(keepends=True) if text.endswith("\n")}
        journal = await opened(path)
        records = await read_all(journal, "Demo", "DemoEvents")
        await journal.close()
        found: dict[int, list[Record]] = {}
        for r in records:
            found.setdefault(int(r.key.split(".")[0]), []).append(Record(r.topic, r.key, r.value, r.headers))
        assert acknowledged <= set(found)
        assert all(found[n] == batch(n) for n in found), "a torn batch"
        assert len(records) == BATCH * len(found)


async def test_two_engines_on_one_file(path):
    await fill(path)
    process = writing_process(path)
    try:
        await asyncio.to_thread(process.stdout.readline)
        with pytest.raises(JournalUnavailable, match=f"{path.name} is in use by process {process.pid} on .* since 20"):
            await opened(path)
        reading = SqliteJournal(SqliteFile(path, FileOptions(access=Access.READ)))
        await reading.start()
        reader = reading.reader(["DemoEvents"])
        seen = [record.offset for record in (await reader.fetch()).records]
        for _ in range(3):  # and it follows what the other process writes
            seen += [record.offset for record in (await reader.fetch(timeout_s=30)).records]
        assert seen == sorted(set(seen))
        with pytest.raises(JournalUnavailable, match="reading only"):
            await reading.append([Record("Demo", "k", b"")])
        await reading.close()
        guest = await opened(path, access=Access.GUEST)
        await guest.append([Record("Demo", "from a guest", b"1")])
        await guest.close()
    finally:
        process.kill()
        process.stdout.close()
        process.wait()
    journal = await opened(path)
    assert "from a guest" in {record.key for record in await read_all(journal, "Demo")}
    await journal.close()


async def test_an_engine_follows_what_a_guest_writes(path, journal):
    await journal.append([Record("Demo", "mine", b"1")])
    reader = journal.reader(["Demo", "DemoEvents"])
    await reader.fetch()
    guest = await opened(path, access=Access.GUEST)
    await guest.append([Record("Demo", "theirs", b"2")])
    assert [record.key for record in (await reader.fetch(timeout_s=30)).records] == ["theirs"]
    await guest.append([Record("Demo", "theirs 2", b"2")])
    await journal.append([Record("Demo", "mine 2", b"1")])
    await guest.append([Record("Demo", "theirs 3", b"2")])
    keys: list[str] = []
    while len(keys) < 3:
        keys += [record.key for record in (await reader.fetch(timeout_s=30)).records]
    assert keys == ["theirs 2", "mine 2", "theirs 3"]
    for n in range(5):  # their record between two of ours, not yet noticed
        await journal.append([Record("Demo", f"{n} a", b"")])
        await guest.append([Record("Demo", f"{n} b", b"")])
        await journal.append([Record("Demo", f"{n} c", b"")])
        keys = []
        while len(keys) < 3:
            keys += [record.key for record in (await reader.fetch(timeout_s=30)).records]
        assert keys == [f"{n} a", f"{n} b", f"{n} c"]
    await guest.close()


async def test_the_lock_goes_with_the_last_user(path):
    file = SqliteFile(path)
    first, second = SqliteJournal(file), SqliteJournal(file)
    await first.start()
    await second.start()
    await first.close()
    assert "in use by process" in await refusal(path, JournalUnavailable)
    await second.close()
    await (await opened(path)).close()
    assert not path.with_name(path.name + "-wal").exists()


async def test_a_file_that_is_not_sqlite(path):
    path.write_text("PV,severity\n" * 1000)
    assert f"{path} is not a SQLite file" in await refusal(path)


async def test_a_file_of_another_program(path):
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE stock (id)")
    connection.close()
    assert f"{path} belongs to another program" in await refusal(path)


async def test_a_newer_file(path):
    await fill(path, 1)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    assert "written by a newer tocsin (format 99, this one knows 1)" in await refusal(path)


async def test_a_missing_directory(tmp_path):
    assert "there is no directory" in await refusal(tmp_path / "nowhere" / "tocsin.db", JournalUnavailable)


async def test_a_directory_in_place_of_the_file(tmp_path):
    (tmp_path / "tocsin.db").mkdir()
    assert "cannot be opened" in await refusal(tmp_path / "tocsin.db", JournalUnavailable)


def damage(path, pages):
    data = bytearray(path.read_bytes())
    chance = random.Random(3)
    for page in pages(len(data) // 4096):
        data[page * 4096 : page * 4096 + 200] = chance.randbytes(200)
    path.write_bytes(data)


async def test_a_damaged_file_is_refused_and_left_as_it_is(path):
    await fill(path)
    damage(path, lambda count: [count // 2])
    sentence = await refusal(path)
    assert f"{path} is damaged: stop tocsin, move the file away together with {path}-wal" in sentence
    assert "restore a backup" in sentence


async def test_damage_that_is_met_while_reading(path, monkeypatch):
    monkeypatch.setattr("alarm_engine.journal.sqlite_open.CHECKED_BYTES", 0)
    await fill(path)
    damage(path, lambda count: range(8, count))
    with pytest.raises(JournalCorrupt, match="is damaged: stop tocsin"):
        await read_the_file(path)


async def test_a_damaged_beginning(path):
    await fill(path)
    path.write_bytes(b"\x00" * 50 + path.read_bytes()[50:])
    assert "its beginning is damaged" in await refusal(path)


async def test_upkeep_goes_on_by_itself(path):
    journal = SqliteJournal(SqliteFile(path), JournalOptions(upkeep_period_s=0.05))
    await journal.start()
    await journal.ensure_topics([*SPECS, TopicSpec("DemoTalk", Cleanup.DELETE, retention_s=0)])
    await journal.append([Record("DemoTalk", "talk:/Demo", b"")])
    for n in range(4):
        await journal.append([Record("Demo", f"k{i}", str(n).encode()) for i in range(400)])

    async def tidy():
        talk, states = await read_all(journal, "DemoTalk"), await read_all(journal, "Demo")
        return not talk and {record.value for record in states} == {b"3"} and len(states) == 400

    await until(tidy)
    await journal.close()


async def test_a_locked_file_is_unavailable_for_a_while(path, journal):
    await journal.append([Record("Demo", "before", b"")])
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    results = await asyncio.gather(*(journal.append([Record("Demo", str(n), b"")]) for n in range(20)), return_exceptions=True)
    assert {type(result) for result in results} == {JournalUnavailable}
    assert "is locked: another process" in str(results[0])
    assert [record.key for record in await read_all(journal, "Demo")] == ["before"]
    waiting = asyncio.create_task(journal.append([Record("Demo", "waits", b"")]))
    await asyncio.sleep(0)
    other.execute("ROLLBACK")
    other.close()
    await waiting
    await journal.append([Record("Demo", "after", b"")])
    assert [record.key for record in await read_all(journal, "Demo")] == ["before", "waits", "after"]


async def test_a_full_disk_and_then_space_again(path):
    file = SqliteFile(path)
    journal = SqliteJournal(file)
    await journal.start()
    await journal.ensure_topics(SPECS)
    reader = journal.reader(["Demo"])
    await reader.fetch()

    def limit(pages):
        return Job(lambda connection: connection.execute(f"PRAGMA max_page_count = {pages}").fetchone())

    await file.write(limit(60))
    written, sentence = await append_until_refused(journal)
    assert f"no space left for {path}: the disk is full" in sentence
    small_and_large = await asyncio.gather(
        *(journal.append([Record("Demo", "n", b"x" * size)]) for size in (10, 900_000, 10)), return_exceptions=True
    )
    assert isinstance(small_and_large[1], JournalUnavailable)
    kept = [record.key for record in await read_all(journal, "Demo")]
    assert kept[:written] == [str(n) for n in range(written)]
    assert kept[written:] == ["n"] * sum(result is None for result in small_and_large)
    await file.write(limit(1_000_000))
    await journal.append([Record("Demo", "after", b"x" * 9000)])
    keys: list[str] = []
    while len(keys) <= len(kept):
        keys += [record.key for record in (await reader.fetch(timeout_s=30)).records]
    assert keys == [*kept, "after"]
    await journal.close()


async def test_a_full_file_system_and_then_space_again(small_disk):
    path, ballast = small_disk / "tocsin.db", small_disk / "ballast"
    ballast.write_bytes(b"x" * 300_000)
    journal = await opened(path)
    written, sentence = await append_until_refused(journal)
    assert "the disk is full" in sentence
    assert [record.key for record in await read_all(journal, "Demo")] == [str(n) for n in range(written)]
    ballast.unlink()
    await journal.append([Record("Demo", "after", b"")])
    await journal.close()
    assert [record.key for record in await read_the_file(path)] == [*(str(n) for n in range(written)), "after"]


async def test_a_file_that_is_taken_away_is_noticed(path, journal):
    await journal.append([Record("Demo", "k", b"")])
    shutil.move(path, path.with_name("elsewhere.db"))

    async def refused():
        try:
            await journal.append([Record("Demo", "k", b"")])
        except JournalCorrupt as problem:
            return "removed or replaced" in str(problem)
        return False

    await until(refused)


async def test_a_broken_lock_file_does_not_matter(path):
    path.with_name(path.name + ".lock").write_text("{")
    journal = await opened(path)
    assert json.loads(path.with_name(path.name + ".lock").read_text())["pid"]
    await journal.close()


async def test_the_mark_of_our_files_does_not_change(path):
    await fill(path, 1)
    header = path.read_bytes()[:100]
    assert header[68:72] == b"tocs" == APPLICATION_ID.to_bytes(4, "big")


async def test_an_unknown_error_keeps_its_text(path):
    file = SqliteFile(path)
    await file.start()
    with pytest.raises(JournalError, match="no such table: nonsense"):
        await file.write(Job(lambda connection: connection.execute("SELECT * FROM nonsense")))
    await file.close()


async def test_urgent_jobs_go_first_and_the_others_still_get_their_turn(path):
    file = SqliteFile(path)
    await file.start()
    order: list[str] = []
    queued = threading.Event()
    gate = await held(file, queued)
    later = [Job(lambda connection, n=n: order.append(f"later {n}")) for n in range(3)]
    urgent = [Job(lambda connection, n=n: order.append(f"urgent {n}"), urgent=True) for n in range(MAX_GROUP * 2 + 10)]
    done = [file.submit(job) for job in [*later, *urgent]]
    queued.set()
    for future in [gate, *done]:
        await asyncio.wrap_future(future)
    await file.close()
    assert [name for name in order if name.startswith("urgent")] == [f"urgent {n}" for n in range(len(urgent))]
    assert [order.index(f"later {n}") for n in range(3)] == [MAX_GROUP, MAX_GROUP * 2 + 1, len(order) - 1]


async def test_a_cancelled_append_that_had_not_begun_is_not_written(path):
    file = SqliteFile(path)
    journal = SqliteJournal(file)
    await journal.start()
    await journal.ensure_topics(SPECS)
    queued = threading.Event()
    gate = await held(file, queued)
    appends = [asyncio.create_task(journal.append([Record("Demo", str(n), b"")])) for n in range(3)]
    await asyncio.sleep(0)
    appends[1].cancel()
    await asyncio.sleep(0)
    queued.set()
    await asyncio.wrap_future(gate)
    await asyncio.gather(*appends, return_exceptions=True)
    assert [record.key for record in await read_all(journal, "Demo")] == ["0", "2"]
    await journal.close()
