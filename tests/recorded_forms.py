"""Records of every form, as one version of tocsin writes them: kept as files, so that later versions are held to reading them.

    PYTHONPATH=CHECKOUT python tests/recorded_forms.py > tests/data/records/VERSION.jsonl

plays a short story to the evaluator and the publisher of a checkout and writes what they would write to the journal, a record a line.
`tests/unit/test_older_records.py` reads all files that are there. Make one for each version that is released, before a form changes.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC

from alarm_engine.evaluator import Cause, Commander, Evaluator, EvaluatorSettings
from alarm_engine.evaluator.configuration import configure
from alarm_engine.journal.memory import MemoryJournal
from alarm_engine.model.command import Command, CommandKind
from alarm_engine.model.reading import Connection, Reading
from alarm_engine.model.settings import AlarmSettings, NodeSettings
from alarm_engine.model.severity import Severity
from alarm_engine.model.status import EngineStatus
from alarm_engine.model.times import Moment, Monotonic, Nanos
from alarm_engine.publisher import Publisher
from alarm_engine.wire.config import encode_config
from alarm_engine.wire.status import encode_status
from alarm_engine.wire.topics import Topics

CONFIG = "Plant"
BEGIN = Moment(Nanos(1_780_000_000_000_000_000), Monotonic(1_000_000_000))
SHELVED_UNTIL = Nanos(BEGIN.wall + 86_400_000_000_000)
ALARMS = {
    "/Plant/Vacuum/GC1": AlarmSettings("Gauge 1"),
    "/Plant/Vacuum/GC2": AlarmSettings("Gauge 2", latching=False, delay_s=60, count=3),
    "/Plant/Cooling/Flow": AlarmSettings("Flow"),
    "/Plant/Cooling/Pump": AlarmSettings("Pump"),
    "/Plant/Cooling/Gone": AlarmSettings("Not there any more"),
}


def reading(name: str, severity: Severity, message: str, value: str, now: Moment) -> Reading:
    return Reading(name, severity, message, value, now.wall, now.monotonic)


def story() -> list[tuple[str, str, bytes | None, list[tuple[str, str]]]]:
    """Topic, key, value and headers of everything that is written."""
    topics = Topics(CONFIG)
    publisher = Publisher(MemoryJournal(), topics, UTC, 7)
    evaluator = Evaluator(EvaluatorSettings(CONFIG), 7, BEGIN.wall)
    commander = Commander(evaluator)
    written = [
        (topics.config, f"config:{path}", encode_config(settings, "mara", "ops7", UTC), [])
        for path, settings in {"/Plant/Vacuum": NodeSettings(), **ALARMS}.items()
    ]

    def publish(now: Moment) -> None:
        for record in publisher.records(evaluator.take(now)):
            written.append((record.topic, record.key, record.value, [(name, value.decode()) for name, value in record.headers]))

    now = BEGIN
    evaluator.begin(now)
    for path, settings in {"/Plant/Vacuum": NodeSettings(), **ALARMS}.items():
        configure(evaluator, path, settings, Cause("mara", "ops7"), now)
    publish(now)
    now = BEGIN.plus_s(1)
    evaluator.feed([reading(name, Severity.OK, "NO_ALARM", "0.0", now) for name in ("GC1", "GC2", "Flow", "Pump")], now)
    publish(now)
    now = BEGIN.plus_s(2)
    evaluator.feed([reading(name, Severity.MAJOR, "HIHI_ALARM", "12.0", now) for name in ("GC1", "GC2", "Flow")], now)
    publish(now)
    now = BEGIN.plus_s(3)
    commander.execute(
        Command("/Plant/Vacuum/GC1", CommandKind.ACKNOWLEDGE, "mara", "ops7", "c1", "pump is being changed", sent=now.wall), now
    )
    commander.execute(
        Command("/Plant/Cooling/Pump", CommandKind.SHELVE, "jo", "ops8", "c2", "repair", until=SHELVED_UNTIL, sent=now.wall), now
    )
    commander.execute(Command("/Plant", CommandKind.DISABLE_NOTIFY, "jo", "ops8", "c3", sent=now.wall), now)
    commander.execute(Command("/Plant/none", CommandKind.ACKNOWLEDGE, "jo", "ops8", "c4", sent=now.wall), now)
    publish(now)
    now = BEGIN.plus_s(40)
    evaluator.tick(now)
    evaluator.feed([Connection("Flow", False, "ioc1:5064", now.wall, now.monotonic)], now)
    publish(now)
    status = EngineStatus("engine", CONFIG, 7, now.wall, 5, 3, 1, 2, 3, 0, 0, "Plant.7.1")
    written.append(("mainStatus", "status:Plant", encode_status(status), []))
    return written


if __name__ == "__main__":
    for topic, key, value, headers in story():
        line = {"topic": topic, "key": key, "value": None if value is None else value.decode(), "headers": headers}
        sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")
