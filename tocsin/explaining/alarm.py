"""Why an alarm is as it is, and what will happen to it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from alarm_engine.evaluator.emit import DISCONNECTED
from alarm_engine.evaluator.evaluator import NO_PV
from alarm_engine.logic.alarm_logic import DELAYED
from tocsin.client.types import AlarmDetail, Event, Sample, State
from tocsin.explaining.facts import AlarmFacts
from tocsin.explaining.history import often, transitions
from tocsin.explaining.settings import guidance, settings
from tocsin.explaining.story import Explanation, Reason
from tocsin.explaining.words import base, because, clock, doubt, known, label, meaning, meant, person, says, since, until

_LATE_S = 5.0
"""A delay that is over for longer than that: nobody decides any more."""


def explain_alarm(facts: AlarmFacts, now: datetime) -> Explanation:
    """An alarm; `now` is aware, and its zone is that of the times in the answer."""
    alarm = facts.alarm
    return Explanation(
        path=alarm.path,
        doubt=doubt(stale=alarm.stale, age_s=alarm.age_s),
        answer=_answer(alarm, now),
        why=tuple(_why(facts, now)),
        next=tuple(_next(facts, now)),
        settings=tuple(settings(facts, now)),
        transitions=tuple(transitions(facts.past, now)),
        often=tuple(often(facts.past, alarm.path, now)),
        guidance=tuple(guidance(alarm)),
    )


def _answer(alarm: AlarmDetail, now: datetime) -> str:
    """Is it in alarm?"""
    name, from_then = label(alarm), f", since {since(alarm.since, now)}" if alarm.since else ""
    sentences = {
        State.UNKNOWN: f"Nobody knows whether {name} is in alarm: nothing has been heard of its PV. That is not the same as OK.",
        State.SHELVED: f"{name} is shelved: it is hidden, and raises no alarm.",
        State.DISABLED: f"{name} is out of service: it is hidden, and raises no alarm.",
        State.OK: f"{name} is not in alarm{from_then}.",
        State.ACKNOWLEDGED: f"{name} is in alarm and acknowledged: {_severity(alarm, from_then, now)}.",
        State.ACTIVE: f"{name} is in alarm, and nobody has acknowledged it: {_severity(alarm, from_then, now)}.",
    }
    unheard_of = f"{name} is {alarm.state}, a state that this version does not know: {alarm.severity}{from_then}."
    return sentences.get(alarm.state, unheard_of)


def _severity(alarm: AlarmDetail, from_then: str, now: datetime) -> str:
    """What the severity means, and since when; of one that the PV no longer has, what it meant then."""
    current, was = alarm.current, meant(alarm.severity)
    if current is None or not alarm.connected or not was or known(current.severity) == known(alarm.severity).unacknowledged:
        return f"{meaning(alarm.severity)}{from_then}"
    at = f" at {clock(alarm.time, now)}" if alarm.time else ""
    latched = " (latched)" if alarm.settings.latching and known(alarm.severity).is_active else ""
    return f"{base(alarm.severity)}, {was}{at}{latched}; now it says {base(current.severity)}"


def _why(facts: AlarmFacts, now: datetime) -> Iterator[Reason]:
    alarm = facts.alarm
    if alarm.state == State.UNKNOWN:
        yield _unknown(alarm)
    elif alarm.suppression is not None:
        yield _suppressed(alarm, now)
    if alarm.state != State.UNKNOWN:
        yield from _pv(alarm, now)
    if alarm.suppression is None and alarm.current is not None:
        yield from _difference(facts, alarm.current, now)
    if alarm.acknowledgement is not None:
        yield Reason("acknowledged", _acknowledged(alarm, now))
    if facts.maintenance:
        told = "Maintenance mode is on: alarms that are INVALID or UNDEFINED are acknowledged as they come, and are silent."
        yield Reason("maintenance", told)
    if alarm.settings.filter:
        told = f"It has a filter ({alarm.settings.filter}). This version keeps filters and does not evaluate them: it is in service always."
        yield Reason("filter", told)


def _unknown(alarm: AlarmDetail) -> Reason:
    if not alarm.settings.enabled:
        return Reason("unknown", "It is switched off in the tree, and no engine has said anything about it.")
    if alarm.current is None:
        told = "No engine has said anything about it yet: it is new in the tree, or no engine evaluates this tree."
        return Reason("unknown", told)
    told = "Its PV has never answered so far. After 30 s, or what engine.connection_timeout_s says, that is an alarm: UNDEFINED."
    return Reason("never_connected", told)


def _suppressed(alarm: AlarmDetail, now: datetime) -> Reason:
    hidden = alarm.suppression
    assert hidden is not None
    reason = because(hidden.reason) if hidden.user or hidden.reason else ""
    who = f"{person(hidden.user, hidden.host)} at {since(hidden.since, now)}{reason}"
    if hidden.until is None:
        return Reason("out_of_service", f"Taken out of service by {who}.")
    return Reason("shelved", f"Shelved until {until(hidden.until, now)}, by {who}.")


def _pv(alarm: AlarmDetail, now: datetime) -> Iterator[Reason]:
    """What the PV says now."""
    current = alarm.current
    if (current is not None and current.message == NO_PV) or alarm.message == NO_PV:
        yield Reason("no_pv", "Its name cannot be a PV: only Channel Access is read, so plain names or ca://.")
    elif not alarm.connected:
        went = f" since {since(current.time, now)}" if current is not None and current.message == DISCONNECTED else ""
        last = _last_value(alarm)
        told = f"The PV is not connected{went}{last}. A PV that cannot be read is not in good order: is its IOC up?"
        yield Reason("disconnected", told)
    elif current is not None:
        yield Reason("pv", f"The PV says now {says(current, now)}.")
        if current.message in ("READ_ACCESS_ALARM", "READ_ALARM"):
            yield Reason("no_access", "It is connected, and its value may not be read: see the access rules of the IOC.")


def _last_value(alarm: AlarmDetail) -> str:
    return f"; its last value was {alarm.value}" if alarm.value else ""


def _difference(facts: AlarmFacts, current: Sample, now: datetime) -> Iterator[Reason]:
    """Why the alarm is not what the PV says."""
    alarm = facts.alarm
    shown, told = known(alarm.severity), known(current.severity)
    if shown.unacknowledged == told:
        return
    raised_by = _raised_by(alarm, now)
    if told.priority > shown.priority:
        yield _waits(facts, current, now)
    elif shown.is_acknowledged:
        yield Reason("acknowledged_higher", f"The alarm stays {shown.unacknowledged.name} until the PV is OK, as it was acknowledged.")
    elif alarm.settings.latching:
        what = "is back to normal" if told == told.OK else f"is only {told.name}"
        yield Reason(
            "latched", f"It is latched: {raised_by}, and an alarm that latches stays until it is acknowledged, though the PV {what}."
        )
    elif shown.is_active:
        yield Reason("held", f"It does not latch, and stands all the same: {raised_by}. The next value of the PV decides anew.")


def _raised_by(alarm: AlarmDetail, now: datetime) -> str:
    if alarm.message == DISCONNECTED:
        return f"the PV was not connected at {clock(alarm.time, now)}" if alarm.time else "the PV was not connected"
    message = f" ({alarm.message})" if alarm.message else ""
    value = f" with value {alarm.value}" if alarm.value else ""
    at = f" at {clock(alarm.time, now)}" if alarm.time else ""
    return f"the PV was {base(alarm.severity)}{message}{value}{at}"


def _waits(facts: AlarmFacts, current: Sample, now: datetime) -> Reason:
    """The PV is worse than the alarm."""
    alarm, told = facts.alarm, base(current.severity)
    if not alarm.settings.delay_s:
        if facts.maintenance:
            return Reason("maintenance_quiet", f"The PV is {told} and the alarm is not: maintenance mode has made it quiet.")
        return Reason("not_risen", f"The PV is {told}, and the alarm has not followed; it does with the next change of the PV.")
    due = deadline(facts, current)
    over_s = (now - due).total_seconds()
    delay = f"its delay of {alarm.settings.delay_s} s"
    if over_s > _LATE_S:
        told = f"The PV is {told}, and {delay} was over at {since(due, now)}: the alarm should have risen. Does the engine run?"
        return Reason("overdue", told)
    counted = _counted(facts, now) if alarm.settings.count else ""
    return Reason("delayed", f"The PV is {told}, and {delay} is running: the alarm rises at {until(due, now)}{counted}.")


def _counted(facts: AlarmFacts, now: datetime) -> str:
    """How far its count has come: alarms that had to wait, by the time stamps of the PV."""
    chosen = facts.alarm.settings
    earliest = now - timedelta(seconds=chosen.delay_s)
    came = sum(event.reason == DELAYED.reason and (event.pv_time or event.time) >= earliest for event in facts.past.events)
    so_far = f", of which {came} have come" if came else ""
    return f", or at once with alarm number {chosen.count} within {chosen.delay_s} s{so_far}"


def deadline(facts: AlarmFacts, current: Sample) -> datetime:
    """When a delay that runs is over: the engine says it; of a server that does not, it began with the first sample that is waiting."""
    if facts.alarm.waiting is not None:
        return facts.alarm.waiting.due
    return _began(facts.past.events, current) + timedelta(seconds=facts.alarm.settings.delay_s)


def _began(events: tuple[Event, ...], current: Sample) -> datetime:
    began = current.time
    for event in events:
        if event.state is None or event.state.current is None:
            continue
        if event.state.current.severity == "OK" or event.reason != DELAYED.reason:
            break
        began = event.time
    return began


def _acknowledged(alarm: AlarmDetail, now: datetime) -> str:
    ack = alarm.acknowledgement
    assert ack is not None
    told = f"Acknowledged by {person(ack.user, ack.host)} at {since(ack.time, now)}{because(ack.reason)}."
    if not alarm.connected:
        return told + " That holds also for when the PV is back, if it is no worse then."
    return told


def _next(facts: AlarmFacts, now: datetime) -> Iterator[str]:
    alarm = facts.alarm
    if alarm.state == State.UNKNOWN:
        yield "It is evaluated as soon as an engine runs that serves its tree, and its PV answers."
    elif alarm.suppression is not None:
        yield from _back(alarm, now)
    elif alarm.state == State.OK:
        yield _rises(alarm)
    elif not alarm.connected:
        yield from _reconnects(alarm)
    else:
        yield from _goes(alarm)


def _back(alarm: AlarmDetail, now: datetime) -> Iterator[str]:
    hidden = alarm.suppression
    assert hidden is not None
    if hidden.until is None:
        yield f"It comes back when somebody puts it into service again: tocsin enable '{alarm.path}'."
    else:
        yield f"It comes back by itself at {until(hidden.until, now)}; before that by: tocsin unshelve '{alarm.path}'."
    current = alarm.current
    if current is not None and known(current.severity) != known(current.severity).OK:
        yield f"It would then be in alarm: its PV is {base(current.severity)} now, also while nobody sees it."


def _rises(alarm: AlarmDetail) -> str:
    chosen = alarm.settings
    if not chosen.delay_s:
        return "It rises as soon as its PV is in alarm."
    counted = f", or {chosen.count} times within that" if chosen.count else ""
    return f"It rises when its PV is in alarm for {chosen.delay_s} s{counted}."


def _reconnects(alarm: AlarmDetail) -> Iterator[str]:
    if alarm.state == State.ACTIVE and alarm.settings.latching:
        yield "It stays until somebody acknowledges it, also when the PV is back: then it is known that somebody has seen the gap."
    else:
        yield "It goes away when the PV is back and is OK."
    yield "The PV is looked for all the time; nothing has to be done here for that."


def _goes(alarm: AlarmDetail) -> Iterator[str]:
    current = alarm.current
    ok = current is not None and known(current.severity) == known(current.severity).OK
    if alarm.state == State.ACKNOWLEDGED:
        yield f"It goes away by itself when the PV is OK, and rises again if the PV gets worse than {base(alarm.severity)}."
    elif not alarm.settings.latching:
        yield "It does not latch: it goes away by itself when the PV is OK."
    elif ok:
        yield f"The PV is OK: it goes away as soon as somebody acknowledges it: tocsin ack '{alarm.path}'."
    else:
        yield f"It goes away when the PV is OK and it is acknowledged, in either order: tocsin ack '{alarm.path}'."
