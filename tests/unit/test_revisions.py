"""What of a journal is in force: a revision as a whole once it closes, or nothing of it."""

from __future__ import annotations

import itertools
import random
from datetime import UTC

import pytest

from alarm_engine.journal.port import StoredRecord
from alarm_engine.model.settings import AlarmSettings
from alarm_engine.model.times import Nanos
from alarm_engine.revisions import Closed, Staging, moves, records_of
from alarm_engine.wire.config import encode_config, encode_delete_note
from alarm_engine.wire.headers import headers
from alarm_engine.wire.revision import Revision, RevisionState, decode_revision, encode_revision
from alarm_engine.wire.topics import Topics

T = Topics("Demo")
A, B, C = "/Demo/A", "/Demo/B", "/Demo/C"
BEGUN, CLOSED, DISCARDED = RevisionState.BEGUN, RevisionState.CLOSED, RevisionState.DISCARDED


class Log:
    """Two topics as they are written, each with an order of its own."""

    def __init__(self) -> None:
        self.config: list[StoredRecord] = []
        self.settings: list[StoredRecord] = []

    def put(self, path: str, text: str | None, revision: int | None = None, engine: str | None = None) -> None:
        value = None if text is None else encode_config(AlarmSettings(text), "sam", "git", UTC)
        head = headers(revision=str(revision) if revision else None, engine=engine)
        self.config.append(StoredRecord(T.config, len(self.config), Nanos(0), f"config:{path}", value, head))

    def note(self, path: str) -> None:
        value = encode_delete_note("sam", "git")
        self.config.append(StoredRecord(T.config, len(self.config), Nanos(0), f"config:{path}", value, ()))

    def mark(self, number: int, state: RevisionState, abandoned: tuple[int, ...] = ()) -> None:
        end = len(self.config) if state is CLOSED else 0
        value = encode_revision(Revision(number, state, Nanos(0), config_end=end, abandoned=abandoned))
        self.settings.append(StoredRecord(T.settings, len(self.settings), Nanos(0), "revision:/Demo", value, ()))

    def interleaved(self, seed: int) -> list[StoredRecord]:
        """Both topics in some order that a reader may see."""
        chance, left, right, found = random.Random(seed), list(self.config), list(self.settings), []
        while left or right:
            found.append((left if left and (not right or chance.random() < 0.5) else right).pop(0))
        return found

    def compacted(self, chance: random.Random) -> Log:
        """What a broker may have left: of each key the last record, and some of the others."""
        shorter = Log()
        for name in ("config", "settings"):
            records = getattr(self, name)
            last = {record.key: record.offset for record in records}
            setattr(shorter, name, [r for r in records if last[r.key] == r.offset or chance.random() < 0.5])
        return shorter


def texts(state: dict[str, str], taken: list) -> None:
    for due in records_of(taken):
        record = due.record
        if record.value is None:
            state.pop(record.key[7:], None)
        elif b'"description"' in record.value:
            state[record.key[7:]] = record.value.decode().split('"description":"')[1].split('"')[0]


def live(records: list[StoredRecord]) -> tuple[dict[str, str], Staging]:
    """As an engine that runs sees it."""
    staging, state = Staging(T), {}
    staging.settle()
    for record in records:
        texts(state, staging.take(record))
    return state, staging


def replayed(records: list[StoredRecord], states: tuple[str, ...] = ()) -> tuple[dict[str, str], Staging]:
    """As an engine that starts sees it."""
    staging, state = Staging(T), {}
    for record in records:
        texts(state, staging.take(record))
    texts(state, staging.settle(lambda key: key[7:] in states))
    return state, staging


def closed_log() -> Log:
    log = Log()
    log.put(A, "a0")
    log.mark(1, BEGUN)
    log.put(A, "a1", 1)
    log.put(B, "b1", 1)
    log.mark(1, CLOSED)
    return log


def test_nothing_of_a_revision_is_in_force_before_it_closes_and_then_all_of_it():
    log = closed_log()
    staging, state = Staging(T), {}
    staging.settle()
    for record in [log.config[0], log.settings[0], *log.config[1:]]:
        texts(state, staging.take(record))
    assert state == {A: "a0"}
    (closed,) = staging.take(log.settings[1])
    assert isinstance(closed, Closed)
    assert [staged.record.key[7:] for staged in closed.staged] == [A, B]


@pytest.mark.parametrize("seed", range(20))
def test_it_does_not_matter_in_which_order_the_two_topics_are_read(seed):
    log = closed_log()
    log.put(C, "c of a client")
    log.mark(2, BEGUN)
    log.put(A, "a2", 2)
    log.put(B, None, 2)
    log.mark(2, CLOSED)
    log.mark(3, BEGUN)
    log.put(C, "c3", 3)
    expected = {A: "a2", C: "c of a client"}
    records = log.interleaved(seed)
    assert live(records)[0] == expected
    assert replayed(records)[0] == expected
    middle = seed % len(records)
    staging, state = Staging(T), {}
    for record in records[:middle]:
        texts(state, staging.take(record))
    texts(state, staging.settle())  # an engine that begins in the middle of it
    for record in records[middle:]:
        texts(state, staging.take(record))
    assert state == expected


def test_an_unclosed_revision_is_held_back_after_a_restart_and_comes_in_force_when_it_closes():
    log = closed_log()
    log.mark(2, BEGUN)
    log.put(A, "a2", 2)
    state, staging = replayed([*log.config, *log.settings])
    assert state == {A: "a1", B: "b1"}
    assert staging.has_staged
    log.mark(2, CLOSED)
    texts(state, staging.take(log.settings[-1]))
    assert state == {A: "a2", B: "b1"}


def test_an_abandoned_revision_stays_out_until_its_keys_are_written_again():
    log = closed_log()
    log.mark(2, BEGUN)
    log.put(A, "a2", 2)
    log.put(C, "c2", 2)
    log.mark(3, BEGUN, abandoned=(2,))
    log.put(A, "a1", 3)
    assert replayed([*log.config, *log.settings])[0] == {A: "a1", B: "b1"}
    log.put(C, None, 3)
    log.mark(3, CLOSED)
    for records in (log.config + log.settings, log.settings + log.config):
        assert replayed(records)[0] == {A: "a1", B: "b1"}
    assert live(log.interleaved(1))[0] == {A: "a1", B: "b1"}


@pytest.mark.parametrize("seed", range(30))
def test_compaction_takes_nothing_away_once_all_revisions_are_closed(seed):
    chance, log = random.Random(seed), Log()
    expected: dict[str, str] = {}
    number, abandoned = 0, ()
    touched: set[str] = set()
    for turn in range(12):
        number += 1
        log.mark(number, BEGUN, abandoned)
        writes = {path: f"{turn}" for path in (A, B, C) if chance.random() < 0.6}
        for path in sorted(writes.keys() | touched):
            log.put(path, writes.get(path, expected.get(path)), number)
        if chance.random() < 0.4 and turn < 11:
            abandoned = (*abandoned, number)
            touched |= writes.keys()
            continue
        log.mark(number, CLOSED)
        expected |= writes
        abandoned, touched = (), set()
    left = log.compacted(chance)
    assert replayed(left.interleaved(seed))[0] == expected


def test_where_compaction_left_only_an_unclosed_record_an_alarm_that_was_in_force_stays():
    log = Log()
    log.mark(1, CLOSED)
    log.mark(2, BEGUN)
    log.put(A, "a2", 2)
    log.put(B, "new", 2)
    assert replayed([*log.config, *log.settings], states=(A,))[0] == {A: "a2"}


def test_the_edit_of_a_client_after_ours_is_the_last_word_and_its_note_alone_is_none():
    log = Log()
    log.mark(1, BEGUN)
    log.put(A, "a1", 1)
    log.put(B, "b1", 1)
    log.put(A, "of a client")
    log.note(B)
    log.mark(1, CLOSED)
    assert live([*log.config, *log.settings])[0] == {A: "of a client", B: "b1"}


def test_a_record_of_an_engine_after_ours_marks_it_as_overtaken():
    log = closed_log()
    log.mark(2, BEGUN)
    log.put(A, "a2", 2)
    log.put(A, "a1", engine="7")
    _, staging = live([*log.settings, *log.config])
    log.mark(2, CLOSED)
    (closed,) = staging.take(log.settings[-1])
    assert [(one.record.offset, one.overtaken) for one in closed.staged] == [(3, True)]


def test_what_an_engine_gave_up_never_comes_in_force():
    log = closed_log()
    log.mark(2, BEGUN)
    log.put(A, "a2", 2)
    log.put(A, "a1", engine="7")
    log.mark(2, DISCARDED)
    assert replayed([*log.config, *log.settings])[0] == {A: "a1", B: "b1"}
    state, _ = live(log.interleaved(3))
    assert state == {A: "a1", B: "b1"}


def test_marks_that_are_gone_hide_no_alarm():
    log = closed_log()
    assert replayed(log.config)[0] == {A: "a1", B: "b1"}


def test_a_revision_may_delete_what_it_then_writes_as_something_else():
    log = closed_log()
    log.mark(2, BEGUN)
    log.put(A, None, 2)
    log.put(A, "anew", 2)
    log.mark(2, CLOSED)
    _, staging = live(log.config[:3] + log.settings[:2])
    taken = list(itertools.chain.from_iterable(staging.take(r) for r in [log.settings[2], *log.config[3:], log.settings[3]]))
    assert [due.record.value is None for due in records_of(taken)] == [True, False]


def test_only_a_pv_with_one_old_and_one_new_path_moves():
    assert moves(["/D/X/P", "/D/X/Q", "/D/Y/R", "/D/Z/R"], ["/D/Y/P", "/D/Y/Q", "/D/Z/Q", "/D/R"]) == {"/D/X/P": "/D/Y/P"}


def test_a_mark_says_the_same_after_it_was_read():
    mark = Revision(4, CLOSED, Nanos(5), user="sam", host="git", config_end=12, records=3, added=1, moved=2, abandoned=(2, 3))
    assert decode_revision(encode_revision(mark)) == mark
