"""What other settings would have changed: examples that can be followed by hand."""

from __future__ import annotations

import gc
from dataclasses import replace

import pytest

from alarm_engine.model.command import CommandKind
from alarm_engine.model.event import Event
from alarm_engine.model.settings import AlarmSettings
from alarm_engine.model.severity import Severity
from backend.tuning.comparison import Missed
from backend.tuning.proposals import Judgement, candidates, judge, propose
from backend.tuning.recording import Excursion, Recording, excursions
from tests.unit.evaluating import START, Control
from tests.unit.test_tuning_replay import events_of, recording_of

PV, PATH = "p0", "/Demo/A/p0"
SECOND = 1_000_000_000
OK, MINOR, MAJOR, UNDEFINED = Severity.OK, Severity.MINOR, Severity.MAJOR, Severity.UNDEFINED


class Plant:
    """One PV whose samples come at given seconds."""

    def __init__(self, settings: AlarmSettings) -> None:
        self.settings = settings
        self.control = Control({PATH: settings})
        self.at(1, OK)

    def until(self, seconds: float) -> None:
        self.control.advance(seconds - (self.control.now.wall - START.wall) / SECOND)

    def at(self, seconds: float, severity: Severity) -> None:
        """A sample is taken in one millisecond after it was asked for."""
        self.until(seconds - 0.001)
        self.control.pv_time = self.control.now.wall
        self.control.sample(PV, severity)

    def pulse(self, seconds: float, length: float, severity: Severity = MAJOR) -> None:
        self.at(seconds, severity)
        self.at(seconds + length, OK)

    def acknowledge(self, seconds: float, path: str = PATH) -> None:
        self.until(seconds - 0.001)
        self.control.command(CommandKind.ACKNOWLEDGE, path)

    def recording(self, end: float) -> Recording:
        self.until(end)
        return recording_of(events_of([self.control]), PATH, START.wall + round(end * SECOND))

    def judge(self, end: float, *others: AlarmSettings) -> Judgement:
        return judge(self.recording(end), self.settings, others)


FOLLOWING = AlarmSettings("pump", latching=False)
DELAYED = replace(FOLLOWING, delay_s=10)


def chattering(acknowledged: bool = False) -> Plant:
    """Four pulses of 4 s within a minute, one of 90 s at 200 s."""
    plant = Plant(FOLLOWING)
    for begin in (10, 20, 30, 40):
        plant.pulse(begin, 4)
    if acknowledged:
        plant.acknowledge(100)
    plant.pulse(200, 90)
    return plant


def test_a_delay_takes_the_short_ones_away_and_makes_the_long_one_late():
    judged = chattering().judge(400, DELAYED)
    present, [trial] = judged.present, judged.trials
    assert (present.outcome.annunciated, present.outcome.chattering, present.outcome.fleeting) == (5, 2, 4)
    assert present.outcome.standing_ns == (4 * 4 + 90) * SECOND
    assert (trial.outcome.annunciated, trial.outcome.chattering, trial.outcome.fleeting) == (1, 0, 0)
    assert trial.outcome.standing_ns == 80 * SECOND
    found = trial.comparison
    assert (found.later, found.latest_ns, found.median_ns, found.earlier, found.gained) == (1, 10 * SECOND, 10 * SECOND, 0, 0)
    # from the first to the end of the fourth nothing told that the PV came and went
    assert found.missed == Missed(4, 0, 4 * SECOND, START.wall + 10 * SECOND, 34 * SECOND)
    assert trial.is_good


def test_a_long_one_that_is_missed_is_said():
    plant = Plant(FOLLOWING)
    plant.pulse(10, 90)
    [trial] = plant.judge(400, replace(FOLLOWING, delay_s=100)).trials
    assert trial.comparison.missed == Missed(1, 1, 90 * SECOND, START.wall + 10 * SECOND, 90 * SECOND)
    assert trial.is_quiet
    assert not trial.is_good


def test_one_that_still_lasts_is_not_missed():
    plant = Plant(FOLLOWING)
    plant.at(10, MAJOR)
    [trial] = plant.judge(50, replace(FOLLOWING, delay_s=100)).trials
    assert trial.comparison.missed == Missed()
    assert trial.outcome.shown == (None,)


def test_a_shorter_delay_is_judged_too_since_what_waited_is_recorded():
    plant = Plant(DELAYED)
    plant.pulse(10, 4)
    plant.pulse(100, 30)
    judged = plant.judge(400, FOLLOWING)
    assert judged.present.outcome.annunciated == 1
    found = judged.trials[0].comparison
    assert judged.trials[0].outcome.annunciated == 2
    assert (found.gained, found.earlier, found.later, found.missed) == (1, 1, 0, Missed())


def test_latching_tells_of_all_until_somebody_acknowledges():
    [trial] = chattering(acknowledged=True).judge(400, replace(FOLLOWING, latching=True)).trials
    # one at 10 s, acknowledged at 100 s and gone then; one at 200 s, standing to the end
    assert (trial.outcome.annunciated, trial.outcome.chattering) == (2, 0)
    assert trial.outcome.standing_ns == (90 + 200) * SECOND
    assert trial.comparison.missed == Missed()
    assert trial.comparison.later == 0


def test_what_is_latched_from_before_tells_of_the_next_one_from_its_begin():
    plant = Plant(replace(FOLLOWING, latching=True))
    plant.pulse(10, 4)
    plant.pulse(100, 90)
    shown = plant.judge(400).present.outcome.shown
    assert shown == (START.wall + 10 * SECOND, START.wall + 100 * SECOND)


def test_an_alarm_that_comes_with_the_end_of_its_excursion_has_told():
    """A latching MINOR takes the MAJOR that waits for its delay when the PV turns OK, as with Phoebus."""
    plant = Plant(replace(DELAYED, latching=True))
    plant.at(10, MINOR)
    plant.at(30, MAJOR)
    plant.at(33, OK)
    judged = plant.judge(100)
    assert [one.severity for one in judged.excursions] == [MINOR, MAJOR]
    assert judged.present.outcome.shown == (START.wall + 20 * SECOND, START.wall + 33 * SECOND)


def test_a_row_of_missed_ones_ends_where_the_pv_rests():
    plant = Plant(FOLLOWING)
    for begin in (10, 20, 200, 220, 240, 270):
        plant.pulse(begin, 4)
    [trial] = plant.judge(400, DELAYED).trials
    assert trial.comparison.missed.stretch_ns == 74 * SECOND


def test_a_count_lets_the_third_one_through():
    delayed = replace(FOLLOWING, delay_s=60)
    judged = chattering().judge(400, delayed, replace(delayed, count=3))
    assert [trial.outcome.annunciated for trial in judged.trials] == [1, 2]
    assert [trial.comparison.missed.number for trial in judged.trials] == [4, 3]
    assert judged.trials[1].comparison.missed.stretch_ns == 14 * SECOND  # 10 s to 24 s; the third was told at 30 s


def test_an_acknowledgement_of_a_component_finds_an_alarm_that_was_not_there():
    """Recorded with a delay that hid it; without one it would have stood, latched, when the whole subsystem was acknowledged."""
    plant = Plant(replace(DELAYED, latching=True))
    plant.pulse(10, 4)
    plant.acknowledge(50, "/Demo")
    [trial] = plant.judge(100, replace(DELAYED, latching=True, delay_s=0)).trials
    assert trial.outcome.annunciated == 1
    assert trial.outcome.standing_ns == 40 * SECOND


def test_minor_that_gets_major_is_two_excursions():
    plant = Plant(FOLLOWING)
    for seconds, severity in ((10, MINOR), (20, MAJOR), (22, MINOR), (40, OK), (50, MAJOR), (52, MINOR), (54, OK)):
        plant.at(seconds, severity)
    found = [(one.severity, (one.start - START.wall) / SECOND, one.duration_ns / SECOND) for one in excursions(plant.recording(60))]
    assert found == [(MINOR, 10, 30), (MAJOR, 20, 2), (MAJOR, 50, 2)]
    [trial] = plant.judge(60, replace(FOLLOWING, delay_s=5)).trials
    assert trial.comparison.missed.number == 2  # both MAJOR; the MINOR comes 5 s later
    assert trial.comparison.latest_ns == 5 * SECOND


def test_nobody_waits_for_a_hidden_alarm():
    plant = Plant(FOLLOWING)
    plant.until(5)
    plant.control.command(CommandKind.DISABLE, PATH)
    plant.pulse(10, 90)
    plant.at(150, MAJOR)
    plant.until(199.999)
    plant.control.command(CommandKind.ENABLE, PATH)
    [one] = excursions(plant.recording(300))
    assert (one.start - START.wall, one.is_over) == (200 * SECOND, False)
    judged = plant.judge(300, DELAYED)
    assert judged.present.outcome.annunciated == judged.trials[0].outcome.annunciated == 1


def test_the_proposal_is_the_smallest_delay_that_quiets():
    judged = propose(chattering().recording(400), FOLLOWING)
    assert judged.chosen is not None
    assert judged.chosen.settings == replace(FOLLOWING, delay_s=5)
    tried = {trial.settings.delay_s: trial.is_quiet for trial in judged.trials if not trial.settings.count and not trial.settings.latching}
    assert tried == {1: False, 2: False, 3: False, 5: True, 10: True, 15: True}


def test_where_every_delay_would_lose_something_long_latching_is_proposed(monkeypatch):
    monkeypatch.setattr("backend.tuning.comparison.LONG_NS", 4 * SECOND)
    judged = propose(chattering().recording(400), FOLLOWING)
    assert judged.chosen is not None
    assert judged.chosen.settings == replace(FOLLOWING, latching=True)


def test_a_quiet_alarm_is_left_as_it_is():
    plant = Plant(FOLLOWING)
    plant.pulse(10, 90)
    assert propose(plant.recording(400), FOLLOWING).chosen is None


def test_a_fleeting_alarm_now_and_then_is_no_nuisance():
    plant = Plant(FOLLOWING)
    plant.pulse(1000, 5)
    assert propose(plant.recording(3600), FOLLOWING).chosen is None
    plant.pulse(4000, 5)
    assert propose(plant.recording(7200), FOLLOWING).chosen is not None
    assert propose(plant.recording(180_000), FOLLOWING).chosen is None


def test_candidates_change_little_first():
    plain = [(one.delay_s, one.count, one.latching) for one in candidates(AlarmSettings(delay_s=20))]
    assert plain == [(30, 0, True), (60, 0, True), (30, 3, True), (60, 3, True)]
    counted = [(one.delay_s, one.count) for one in candidates(AlarmSettings(delay_s=30, count=5))]
    assert counted == [(60, 5), (30, 0)]
    following = [(one.delay_s, one.latching) for one in candidates(AlarmSettings(delay_s=10, count=3, latching=False))]
    assert following == [(15, False), (20, False), (30, False), (60, False), (10, False), (10, True), (15, True)]


def test_what_is_missing_is_seen():
    recording = chattering().recording(400)
    assert recording.breaks == 0
    holed = replace(recording, events=tuple(event for event in recording.events if event.id.n != 6))
    assert holed.breaks == 1


@pytest.mark.parametrize("maintenance", [False, True])
def test_lost_connections_count_as_excursions(maintenance):
    plant = Plant(FOLLOWING)
    if maintenance:
        plant.control.command(CommandKind.MAINTENANCE, "/Demo")
    plant.until(10)
    plant.control.link(PV, False)
    plant.until(20)
    plant.control.link(PV, True)
    plant.at(20.5, OK)
    judged = plant.judge(100, replace(FOLLOWING, delay_s=15))
    [one] = judged.excursions
    assert one.severity is UNDEFINED
    assert judged.present.outcome.annunciated == (0 if maintenance else 1)
    assert judged.trials[0].comparison.missed.number == 1


def test_a_judgement_lets_the_events_go():
    """Of a component there are many, and of each alarm there may be a hundred thousand."""
    held, waiting = [], [chattering().judge(400, DELAYED)]
    while waiting:
        found = waiting.pop()
        if not isinstance(found, type) and id(found) not in {id(one) for one in held}:
            held.append(found)
            waiting += gc.get_referents(found)
    assert any(isinstance(one, Excursion) for one in held)
    assert not any(isinstance(one, Event) for one in held)
