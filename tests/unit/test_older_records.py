"""What older versions wrote is read: an engine, a backend and a history of this version go on where one of them left.

`tests/recorded_forms.py` says how the files were made.
"""

from __future__ import annotations

import json
from datetime import UTC
from pathlib import Path

import pytest

from alarm_engine.errors import WireError
from alarm_engine.evaluator import Evaluator, EvaluatorSettings
from alarm_engine.journal.memory import MemoryJournal
from alarm_engine.journal.port import Record
from alarm_engine.model.event import EventKind
from alarm_engine.model.severity import Severity
from alarm_engine.model.state import EventId
from alarm_engine.model.times import Moment, Monotonic
from alarm_engine.replay import replay, settle
from alarm_engine.wire.event import decode_event
from alarm_engine.wire.runtime import decode_root, decode_runtime
from alarm_engine.wire.status import decode_status
from alarm_engine.wire.topics import Topics
from tests.recorded_forms import ALARMS, BEGIN, CONFIG, SHELVED_UNTIL

TOPICS = Topics(CONFIG)
FILES = sorted((Path(__file__).parents[1] / "data/records").glob("*.jsonl"))
NOW = BEGIN.plus_s(45)
READERS = {"event": decode_event, "status": decode_status, "runtime": decode_runtime}
"""Of the records that are ours alone; the others have the form of Phoebus, which does not change."""


def lines(file):
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(params=FILES, ids=lambda file: file.stem)
async def journal(request):
    journal = MemoryJournal()
    await journal.start()
    await journal.ensure_topics(TOPICS.specs())
    for one in lines(request.param):
        if one["topic"].startswith(CONFIG):
            value = None if one["value"] is None else one["value"].encode()
            headers = tuple((name, text.encode()) for name, text in one["headers"])
            await journal.append([Record(one["topic"], one["key"], value, headers)])
    yield journal
    await journal.close()


async def test_an_engine_takes_over_what_they_left(journal):
    replayed = await replay(journal, TOPICS, UTC)
    await settle(journal, TOPICS, replayed, UTC)
    assert replayed.broken == 0
    evaluator = Evaluator(EvaluatorSettings(CONFIG), 8, NOW.wall)
    replayed.restore(evaluator, Moment(NOW.wall, Monotonic(5)))
    leaves = evaluator.tree.leaves
    assert set(leaves) == set(ALARMS)
    gauge = leaves["/Plant/Vacuum/GC1"]
    assert (gauge.logic.alarm.severity, gauge.logic.alarm.message) == (Severity.MAJOR_ACK, "HIHI_ALARM")
    assert (gauge.acknowledgement.user, gauge.acknowledgement.reason) == ("mara", "pump is being changed")
    assert gauge.rise == EventId(CONFIG, 7, gauge.rise.n)
    delayed = leaves["/Plant/Vacuum/GC2"].logic
    assert (delayed.alarm.severity, delayed.pending.severity) == (Severity.OK, Severity.MAJOR)
    assert delayed.deadline - 5 == (60 - 43) * 1_000_000_000
    shelved = leaves["/Plant/Cooling/Pump"]
    assert (shelved.suppression.user, shelved.suppression.until) == ("jo", SHELVED_UNTIL)
    assert leaves["/Plant/Cooling/Gone"].logic.alarm.severity is Severity.UNDEFINED
    assert leaves["/Plant/Cooling/Flow"].logic.alarm.severity is Severity.UNDEFINED
    assert not evaluator.switches.notify
    assert replayed.last_event.id.epoch == 7
    assert {correlation for correlation, _ in replayed.answers()} == {"c1", "c2", "c3", "c4"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_record_of_ours_is_read(file):
    kinds = set()
    for one in lines(file):
        kind = one["key"].partition(":")[0]
        if kind in READERS and one["value"] is not None:
            read = decode_root if one["key"] == f"runtime:/{CONFIG}" else READERS[kind]
            read(one["value"].encode())
            kinds.add(kind)
    assert kinds == set(READERS)
    events = [decode_event(one["value"]) for one in lines(file) if one["key"].startswith("event:")]
    assert {EventKind.ALARM, EventKind.ACKNOWLEDGED, EventKind.SHELVED, EventKind.MODE, EventKind.REFUSED} <= {e.kind for e in events}
    assert all(event.snapshot is not None for event in events if event.path in ALARMS and event.kind is not EventKind.COMMAND)


@pytest.mark.parametrize("kind", READERS)
def test_a_field_that_a_later_version_adds_is_left_aside_and_another_form_is_told(kind):
    """So an old reader goes on beside a new writer, as long as the number of the form is the same."""
    value = next(one["value"] for one in lines(FILES[-1]) if one["key"].startswith(f"{kind}:") and one["key"] != f"runtime:/{CONFIG}")
    READERS[kind](json.dumps({**json.loads(value), "later": {"a": 1}}).encode())
    another = json.dumps({**json.loads(value), "v": 2}).encode()
    if kind == "status":
        decode_status(another)  # whoever gives a life sign is alive, whatever else it says
        return
    with pytest.raises(WireError, match="form version 2: this tocsin reads version 1; update it"):
        READERS[kind](another)
