"""Step tables of the alarm logic: replayed on an injected clock, compared step by step."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alarm_engine.logic.alarm_logic import AlarmLogic, Outcome
from alarm_engine.model.settings import AlarmSettings
from alarm_engine.model.severity import BY_NAME
from alarm_engine.model.state import Alarm, Sample
from alarm_engine.model.times import Moment, Monotonic, Nanos

FIELDS = ("update", "annunciate", "current", "alarm", "value", "latch", "annunciated_severity", "enabled")


@dataclass(frozen=True)
class CaseResult:
    name: str
    deviations: tuple[str, ...]


def load_cases(path: Path) -> list[dict[str, Any]]:
    """All cases of a file of that form; raises `ValueError` for another form."""
    data = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(data, dict) or "cases" not in data:
        raise ValueError(f"{path}: expected an object with 'cases' (step tables of the alarm logic)")
    return [*data["cases"], *data.get("observed_cases", [])]


class Player:
    """Plays the steps of one case."""

    def __init__(self, case: dict[str, Any]) -> None:
        config = case["config"]
        self.now = Moment(Nanos(1_800_000_000_000_000_000), Monotonic(5_000_000_000))
        self.maintenance = config["maintenance"]
        self.settings = AlarmSettings(
            latching=config["latching"], annunciating=config["annunciating"], delay_s=config["delay"], count=config["count"]
        )
        initial = case["initial"]
        current, alarm = initial["current"], initial["alarm"]
        self.logic = AlarmLogic(
            self.settings,
            Sample(BY_NAME[current[0]], current[1], "", self.now.wall),
            Alarm(BY_NAME[alarm[0]], alarm[1], initial["value"], self.now.wall),
        )
        self.logic.priority = config["priority"]

    def play(self, step: dict[str, Any]) -> dict[str, Any]:
        self.now = self.now.plus_s(0.001)
        outcomes = list(getattr(self, "do_" + step["op"])(**step["args"]))
        logic = self.logic
        spoken = [o for o in outcomes if o.annunciate]
        return {
            "update": any(o.publish for o in outcomes),
            "updates": sum(o.publish for o in outcomes),
            "annunciate": bool(spoken),
            "annunciated_severity": logic.alarm.severity.name if spoken else None,
            "current": [logic.current.severity.name, logic.current.message],
            "alarm": [logic.alarm.severity.name, logic.alarm.message],
            "value": logic.alarm.value,
            "latch": logic.alarm.latch,
            "enabled": logic.enabled,
        }

    def do_pv(self, value: str, severity: str, message: str, time_offset_ms: int = 0) -> Iterator[Outcome]:
        time = Nanos(self.now.wall + time_offset_ms * 1_000_000)
        yield self.logic.sample(Sample(BY_NAME[severity], message, value, time), self.now, self.maintenance)

    def do_wait(self, seconds: float) -> Iterator[Outcome]:
        end = self.now.plus_s(seconds)
        while self.logic.deadline is not None and self.logic.deadline <= end.monotonic:
            self.now = self.now.plus_s((self.logic.deadline - self.now.monotonic) / 1e9)
            yield self.logic.expire(self.now, self.maintenance)
        self.now = end

    def do_ack(self) -> Iterator[Outcome]:
        yield self.logic.acknowledge(self.now)

    def do_unack(self) -> Iterator[Outcome]:
        yield self.logic.unacknowledge()

    def do_enable(self) -> Iterator[Outcome]:
        yield self.logic.enable(self.now, self.maintenance)

    def do_disable(self) -> Iterator[Outcome]:
        yield self.logic.disable(self.now)

    def do_maintenance(self, on: bool) -> Iterator[Outcome]:
        self.maintenance = on
        yield from ()

    def do_set_count(self, count: int) -> Iterator[Outcome]:
        self.settings = AlarmSettings(
            latching=self.settings.latching, annunciating=self.settings.annunciating, delay_s=self.settings.delay_s, count=count
        )
        self.logic.configure(self.settings, self.now)
        yield from ()

    def do_set_latching(self, latching: bool) -> Iterator[Outcome]:
        self.logic.latching = latching
        yield from ()

    def do_dispose(self) -> Iterator[Outcome]:
        """What Phoebus does at a config edit; ours does not, so here it is a fresh logic with Phoebus's text in it."""
        disposed = Sample(BY_NAME["OK"], "Disposed", "Disposed", self.now.wall)
        self.logic = AlarmLogic(self.settings, disposed, Alarm(*disposed))
        yield from ()


def run_case(case: dict[str, Any]) -> CaseResult:
    """Play one case; deviations say step, field, expected and got."""
    player = Player(case)
    deviations = []
    for number, step in enumerate(case["steps"], 1):
        got, expected = player.play(step), step["expect"]
        deviations += [
            f"{case['name']} step {number} {step['op']} {step['args']}: {field}: expected {expected[field]!r}, got {got[field]!r}"
            for field in FIELDS
            if field in expected and got[field] != expected[field]
        ]
    return CaseResult(case["name"], tuple(deviations))
