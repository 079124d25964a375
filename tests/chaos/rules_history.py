"""Rules about events: each transition is there once, in order, of one reign after the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

from tests.chaos.evidence import Evidence, Line, Transition, Violation

SAMPLES = frozenset({"alarm", "cleared", "changed"})
"""Kinds of events that a PV causes."""
RANK = {"OK": 0, "MINOR": 1, "MAJOR": 2, "INVALID": 3, "UNDEFINED": 4}
LATE_NS = 1_000_000_000
"""A delay that ended that much before its PV was back must have raised the alarm."""


def rank(severity: str) -> int:
    """Height of a severity, acknowledged or not."""
    return RANK[severity.removesuffix("_ACK")]


def each_transition_is_there(evidence: Evidence) -> Iterator[Violation]:
    """Whatever a record was is in an event with the record's own time, also what was over before anybody took over."""
    there = {(event.pv, event.pv_time, event.current[0]) for event in evidence.events if event.state}
    for one in evidence.truth:
        if one.sure and (one.pv, one.time, one.severity) not in there and not evidence.is_blind(one.pv, one.time):
            yield Violation("lost", f"{one.pv} was {one.severity} ({one.value}) at {one.time}: no event has that{_beside(evidence, one)}")


def _beside(evidence: Evidence, one: Transition) -> str:
    times = [event.pv_time for event in evidence.events_of.get(evidence.leaves[one.pv].path, ()) if event.pv_time]
    before = max((time for time in times if time < one.time), default=0)
    after = min((time for time in times if time > one.time), default=0)
    reign = [event.epoch for event in evidence.events if event.kind == "engine" and int(event.data["time"]) > one.time][:1]
    return f"; its events beside that are of {before} and {after}; next reign {reign[0] if reign else 'none'}"


def nothing_is_invented(evidence: Evidence) -> Iterator[Violation]:
    """No event says of a record what it never was."""
    true = {(one.pv, one.time, one.severity) for one in evidence.truth}
    maybe = {(one.pv, str(one.value)) for one in evidence.truth if not one.sure}
    for event in evidence.events:
        if event.kind not in SAMPLES or not event.state or not event.connected:
            continue
        severity, message, value, time = event.current
        if (event.pv, time, severity) not in true and (event.pv, value) not in maybe and message != "UDF_ALARM":
            yield Violation("invented", f"{event} says {severity} {value}, which the record never was then")


def nothing_is_told_twice(evidence: Evidence) -> Iterator[Violation]:
    """No event id, no annunciation and no sample comes twice."""
    for name, number in Counter(event.id for event in evidence.events).items():
        if number > 1:
            yield Violation("doubled", f"event {name} was committed {number} times")
    spoken: dict[tuple[str, int, str], Line] = {}
    for event in evidence.events:
        if event.kind in ("unshelved", "enabled"):  # what stands then is spoken again
            spoken = {key: value for key, value in spoken.items() if key[0] != event.path}
        if event.kind != "alarm" or not event.data.get("annunciated") or not event.connected:
            continue
        what = (event.path, event.pv_time, str(event.data["to"]))
        if what in spoken:
            yield Violation("doubled", f"annunciated twice: {spoken[what]} and {event}")
        spoken[what] = event
    for events in evidence.events_of.values():
        for before, event in pairwise(event for event in events if event.kind in SAMPLES):
            if before.connected and event.connected and event.pv_time < before.pv_time:
                yield Violation("doubled", f"an older sample after a newer one: {before} then {event}")


def no_reigns_are_mixed(evidence: Evidence) -> Iterator[Violation]:
    """Once a successor has written, nothing of its predecessor is committed any more: neither events nor states."""
    newest: Line | None = None
    for event in evidence.events:
        if newest is not None and event.epoch < newest.epoch:
            yield Violation("split brain", f"{event} after {newest}")
        else:
            newest = event
    last: dict[str, tuple[int, int]] = {}
    for state in evidence.states:
        # A successor may publish again what it has from its predecessor, but nobody a state that was followed by a newer one.
        if state.version < last.get(state.path, (0, 0)):
            yield Violation("split brain", f"state of {state.path} at {state.seen.offset} of event {state.event} after {last[state.path]}")
        last[state.path] = max(last.get(state.path, (0, 0)), state.version)


def no_number_is_left_out(evidence: Evidence) -> Iterator[Violation]:
    """Events of a reign are numbered without a gap: nothing that was decided after a write that failed went ahead of it."""
    for before, event in pairwise(evidence.events):
        if event.epoch == before.epoch and event.number != before.number + 1:
            yield Violation("numbers", f"{event.id} after {before.id}")
        if event.epoch > before.epoch and event.number != 1:
            yield Violation("numbers", f"a reign begins with {event.id}")


def time_never_runs_back(evidence: Evidence) -> Iterator[Violation]:
    """The time of events never runs back within a configuration."""
    for before, event in pairwise(evidence.events):
        if event.data["time"] < before.data["time"]:
            yield Violation("time", f"{before} then {event}")


def no_alarm_changes_without_an_event(evidence: Evidence) -> Iterator[Violation]:
    """Each event begins where the one before it on the same alarm ended: a latch or an acknowledgement is not lost in between."""
    for events in evidence.events_of.values():
        for before, event in pairwise(events):
            # To acknowledge once more what has become lower meanwhile is nothing that happens to an alarm.
            again = before.data["to"].endswith("_ACK") and event.data["from"].endswith("_ACK")
            if event.data["from"] != before.data["to"] and event.kind != "configured" and not again:
                yield Violation("jump", f"{before} then {event}")


def nothing_looks_quieter_than_it_is(evidence: Evidence) -> Iterator[Violation]:
    """An alarm is at least what its PV says, but for delays and what operators took out of sight."""
    for event in evidence.events:
        leaf = evidence.leaves.get(event.pv)
        if leaf is None or leaf.delay_s or not event.state or not event.connected or event.state.get("suppression"):
            continue
        alarm = event.state["alarm"][0]
        if rank(alarm) < rank(event.current[0]):
            yield Violation("quiet", f"{event}: the PV is {event.current[0]}, the alarm {alarm}")


def delays_come_to_their_end(evidence: Evidence) -> Iterator[Violation]:
    """A PV that was in alarm for longer than the delay has raised the alarm, wherever the engine was meanwhile."""
    by_pv: dict[str, list[Transition]] = {}
    for one in evidence.truth:
        by_pv.setdefault(one.pv, []).append(one)
    for pv, leaf in evidence.leaves.items():
        if not leaf.delay_s:
            continue
        for begin, end in _stays(by_pv.get(pv, [])):
            if end - begin < leaf.delay_s * 1_000_000_000 + LATE_NS or evidence.is_blind(pv, begin) or evidence.is_blind(pv, end):
                continue
            within = [event for event in evidence.events_of.get(leaf.path, ()) if begin <= event.pv_time < end]
            # An operator may have hidden it meanwhile, when the engine that ran had not heard of it: what was before that is not judged.
            meanwhile = [event for event in evidence.events_of.get(leaf.path, ()) if begin <= event.data["time"] < end]
            hidden = not within or any(event.state.get("suppression") for event in [*within, *meanwhile])
            if not hidden and not any(event.state["alarm"][0] != "OK" for event in within):
                yield Violation("delay", f"{leaf.path} was in alarm from {begin} to {end} and never rose: {'; '.join(map(str, within))}")


def _stays(transitions: list[Transition]) -> Iterator[tuple[int, int]]:
    """From when to when a PV was not OK."""
    begin = 0
    for one in transitions:
        if not one.sure:
            begin = 0
        elif one.severity != "OK":
            begin = begin or one.time
        elif begin:
            yield begin, one.time
            begin = 0
