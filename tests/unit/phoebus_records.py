"""Recorded sessions of a real Phoebus server, as records that a reader of its topics gets."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from alarm_engine.errors import WireError
from alarm_engine.journal.port import StoredRecord
from alarm_engine.model.event import Event
from alarm_engine.model.times import Nanos
from backend.phoebus.derivation import Derivation

DATA = Path(__file__).parents[1] / "data/phoebus_sessions"
SESSIONS = ("connection", "delay_count", "enablement", "filter", "filter_partial", "latching", "modes_talk", "tree_edits")
BEGIN_S = 1_795_350_860
SECOND = 1_000_000_000


def at(seconds: float) -> Nanos:
    """A moment of a session, by seconds as it counts them."""
    return Nanos(BEGIN_S * SECOND + round(seconds * 1000) * 1_000_000)


@dataclass(frozen=True)
class Recorded:
    config: str
    records: list[StoredRecord]
    """Of all topics, in the order in which they were written; offsets count in each topic from 0."""

    @classmethod
    def load(cls, session: str) -> Recorded:
        data = json.loads((DATA / f"{session}.json").read_text(encoding="utf-8"))
        ends: dict[str, int] = {}
        records = []
        for record in sorted(data["records"], key=lambda one: one["created"]):
            topic = record["topic"]
            offset = ends[topic] = ends.get(topic, -1) + 1
            value = None if record["raw"] is None else record["raw"].encode()
            records.append(StoredRecord(topic, offset, at(record["created"]), record["key"], value, ()))
        return cls(data["config"], records)

    def keyed(self, kind: str) -> list[StoredRecord]:
        return [record for record in self.records if record.key.startswith(kind + ":")]


def derive(derivation: Derivation, records: list[StoredRecord]) -> list[Event]:
    """The events of records; those that cannot be understood are left aside."""
    found: list[Event] = []
    for record in records:
        if record.topic.endswith("Talk"):
            continue
        try:
            found += derivation.feed(record)
        except WireError:
            continue
    return found
