"""An engine that is killed at any moment comes back with every state that it had published."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from datetime import UTC
from pathlib import Path

import pytest

from alarm_engine.clock import SystemClock
from alarm_engine.errors import WireError
from alarm_engine.evaluator import Evaluator, EvaluatorSettings
from alarm_engine.journal.port import Record
from alarm_engine.journal.sqlite import SqliteJournal
from alarm_engine.journal.sqlite_file import SqliteFile
from alarm_engine.model.event import Event
from alarm_engine.model.settings import AlarmSettings
from alarm_engine.replay import replay
from alarm_engine.wire.config import encode_config
from alarm_engine.wire.event import decode_event
from alarm_engine.wire.keys import RecordType, key
from tests.engine_under_load import TOPICS

pytestmark = pytest.mark.system

PVS = 40
KILLS = 20


async def prepare(path: Path) -> None:
    journal = SqliteJournal(SqliteFile(path))
    await journal.start()
    await journal.ensure_topics(TOPICS.specs())
    settings = [AlarmSettings(f"PV {n}", latching=n % 2 == 0, delay_s=int(n % 5 == 0)) for n in range(PVS)]
    records = [
        Record(TOPICS.config, key(RecordType.CONFIG, f"/Load/S/P{n}"), encode_config(s, "t", "t", UTC)) for n, s in enumerate(settings)
    ]
    await journal.append(records)
    await journal.close()


def run_and_kill(path: Path, seed: int) -> list[Event]:
    """Events that the process said it had published before it was killed."""
    command = [sys.executable, "-m", "tests.engine_under_load", str(path), str(seed)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2])
    assert process.stdout is not None
    lines = [process.stdout.readline()]
    end = time.monotonic() + random.Random(seed).uniform(0.0, 0.4)
    while time.monotonic() < end:
        lines.append(process.stdout.readline())
    process.kill()
    lines += process.communicate()[0].splitlines()
    events = []
    for line in lines:
        try:
            events.append(decode_event(line.strip()))
        except WireError:
            assert line is lines[-1] or not line  # only the last line may be torn
    return events


async def restored(path: Path) -> tuple[Evaluator, dict[str, Event]]:
    """The state that an engine would start from, and the last event of each alarm in the journal."""
    journal = SqliteJournal(SqliteFile(path))
    await journal.start()
    now = SystemClock().now()
    evaluator = Evaluator(EvaluatorSettings("Load"), 1, now.wall)
    (await replay(journal, TOPICS, UTC)).restore(evaluator, now)
    reader = journal.reader([TOPICS.events])
    last: dict[str, Event] = {}
    caught_up = False
    while not caught_up:
        fetched = await reader.fetch(timeout_s=1)
        caught_up = fetched.caught_up
        last.update({e.path: e for e in (decode_event(r.value or b"") for r in fetched.records) if e.snapshot})
    await reader.close()
    await journal.close()
    return evaluator, last


@pytest.mark.timeout(240)
async def test_twenty_kills_under_load(tmp_path):
    path = tmp_path / "load.sqlite"
    await prepare(path)
    published = 0
    for seed in range(KILLS):
        said = [event for event in run_and_kill(path, seed) if event.snapshot]
        published += len(said)
        evaluator, last = await restored(path)
        for event in said:
            assert last[event.path].id >= event.id, "a published event is gone"
        for alarm_path, event in last.items():
            leaf, snapshot = evaluator.tree.leaves[alarm_path], event.snapshot
            assert snapshot
            assert leaf.logic.alarm.severity == snapshot.alarm.severity or not leaf.logic.enabled
            # The text of an alarm that is OK becomes "OK" when it is acknowledged, which is nothing that happens to it.
            assert leaf.logic.alarm[:4] == snapshot.alarm[:4] or leaf.logic.alarm.message in ("OK", "Disabled")
            assert leaf.suppression == snapshot.suppression
            assert (leaf.acknowledgement if leaf.logic.alarm.severity.is_acknowledged else None) == snapshot.acknowledgement
            assert leaf.rise == snapshot.rise
    assert published > 20 * KILLS
