"""What is said beside a judgement, so that nobody trusts it more than the history allows."""

from __future__ import annotations

from dataclasses import replace

from alarm_engine.model.event import Origin
from alarm_engine.model.times import iso
from backend.tuning.proposals import judge
from backend.tuning.recorded import recorded
from backend.tuning.recording import Recording
from backend.tuning.remarks import remarks
from tests.unit.evaluating import START
from tests.unit.test_tuning_judgement import DELAYED, FOLLOWING, MAJOR, OK, PATH, PV, SECOND, Plant, chattering


def said(recording: Recording, **fields: object) -> tuple[str, ...]:
    return remarks(judge(recording, FOLLOWING, [replace(FOLLOWING, **fields)]))  # type: ignore[arg-type]


def known(recording: Recording) -> Recording:
    """As if the history reached back further."""
    return replace(recording, start=recording.known_from)


def test_a_whole_recording_needs_no_words():
    recording = known(chattering().recording(400))
    assert recorded(recording).annunciated == 5
    assert said(recording, delay_s=10) == ()


def test_a_history_that_begins_within_the_range():
    recording = chattering().recording(400)
    assert said(recording) == (f"Nothing is known of it before {iso(START.wall)}.",)
    assert said(replace(recording, is_cut=True)) == (f"There are too many events: only those since {iso(recording.start)} are judged.",)


def test_settings_that_were_others_when_it_was_recorded():
    plant = Plant(DELAYED)
    plant.pulse(10, 4)
    [sentence] = said(known(plant.recording(50)))
    assert sentence.startswith("The settings in force, replayed, give 1 annunciations where 0 were recorded: it was recorded with other")
    plant.until(60)
    plant.control.configure(PATH, FOLLOWING)
    edited, differs = said(known(plant.recording(100)))
    assert edited.startswith("Its settings were edited within the range, last at ")
    assert "(changed: delay_s)" in edited
    assert differs.endswith("where 0 were recorded.")


def test_events_that_are_missing():
    recording = known(chattering().recording(400))
    holed = replace(recording, events=tuple(event for event in recording.events if event.id.n != 6))
    assert "Events are missing: once one does not go on from the one before." in said(holed)


def test_what_a_phoebus_server_recorded_cannot_tell_of_shorter_delays():
    plant = Plant(DELAYED)
    plant.pulse(10, 30)
    recording = known(plant.recording(100))
    derived = replace(recording, events=tuple(replace(event, origin=Origin.DERIVED) for event in recording.events))
    [sentence] = remarks(judge(derived, DELAYED, [FOLLOWING]))
    assert sentence.startswith("It was recorded from the records of a Phoebus server")
    assert sentence.endswith("A shorter delay than the recorded one cannot be judged.")
    assert remarks(judge(derived, DELAYED, [replace(DELAYED, delay_s=20)]))[0].endswith("What is missed may be more.")
    assert remarks(judge(recording, DELAYED, [FOLLOWING])) == ()


def test_a_delay_that_was_running_when_the_engine_was_restarted():
    plant = Plant(DELAYED)
    plant.at(10, MAJOR)
    plant.until(15)
    again = plant.control.restarted()
    again.now = plant.control.now.plus_s(60)  # nobody was there when the delay ended: whoever comes then raises the alarm, as a replay does
    again.evaluator.begin(again.now)
    again.take()
    again.pv_time = again.now.wall
    again.sample(PV, OK)
    events = (*plant.recording(15).events, *(event for changes in again.history for event in changes.events))
    recording = Recording("Demo", PATH, START.wall, again.now.wall + SECOND, events)  # type: ignore[arg-type]
    assert recorded(known(recording)).annunciated == 1
    assert remarks(judge(known(recording), DELAYED, [])) == ()
