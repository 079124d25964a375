"""Why a component shows what it shows: which of its alarms make its severity."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from tocsin.client.types import Alarm
from tocsin.explaining.facts import ComponentFacts
from tocsin.explaining.story import Explanation, Reason
from tocsin.explaining.words import base, doubt, known, label, person, since

_SHOWN = 10


def explain_component(facts: ComponentFacts, now: datetime) -> Explanation:
    """A component; `now` is aware, and its zone is that of the times in the answer."""
    node = facts.node
    return Explanation(
        path=node.path,
        doubt=doubt(stale=facts.stale, age_s=facts.age_s),
        answer=_answer(facts),
        why=tuple(_why(facts, now)),
        next=tuple(_next(facts)),
        guidance=tuple(f"{path}: {text}" for path, text in facts.guidance.items()),
    )


def _answer(facts: ComponentFacts) -> str:
    node = facts.node
    severity = known(node.severity)
    if not node.alarms:
        return f"{node.path} has no alarms below it."
    if severity == severity.OK:
        if node.counts.unknown:
            return f"{node.path} shows OK, but of {node.counts.unknown} of its {node.alarms} alarms nothing is known."
        return f"{node.path} shows OK: none of its {_alarms(node.alarms)} is in alarm."
    if severity.is_acknowledged:
        return f"{node.path} is in alarm, and all of it is acknowledged: {base(node.severity)}."
    return f"{node.path} is in alarm: {base(node.severity)}."


def _why(facts: ComponentFacts, now: datetime) -> Iterator[Reason]:
    node = facts.node
    severity = known(node.severity)
    if severity != severity.OK:
        causes = [alarm for alarm in facts.standing if alarm.severity == node.severity]
        told = f"Its severity, {node.severity}, is the highest below it, and {_made_by(len(causes))}:"
        yield Reason("causes", "\n".join([told, *_lines(causes, now)]))
        others = [alarm for alarm in facts.standing if alarm.severity != node.severity]
        if others:
            told = f"{_alarms(len(others)).capitalize()} of lower rank {'stands' if len(others) == 1 else 'stand'} below it too"
            yield Reason("others", f"{told}: {_grouped(others)}.")
        if any(known(one.severity).unacknowledged > severity.unacknowledged for one in others):
            yield Reason("rank", "An alarm that nobody has acknowledged counts more than a worse one that somebody has.")
    if facts.hidden:
        counts = "is hidden and does not count" if len(facts.hidden) == 1 else "are hidden and do not count"
        told = f"{_alarms(len(facts.hidden)).capitalize()} below it {counts}:"
        yield Reason("hidden", "\n".join([told, *_hidden_lines(facts.hidden)]))
    if facts.unknown:
        told = f"Of {_alarms(len(facts.unknown))} nothing is known, which is not the same as OK: {_names(facts.unknown)}."
        yield Reason("unknown", told)
    if facts.maintenance:
        yield Reason("maintenance", "Maintenance mode is on: INVALID and UNDEFINED are acknowledged as they come.")


def _made_by(number: int) -> str:
    return "one alarm has it" if number == 1 else f"{number} alarms have it"


def _lines(alarms: Sequence[Alarm], now: datetime) -> Iterator[str]:
    for alarm in alarms[:_SHOWN]:
        from_then = f", since {since(alarm.since, now)}" if alarm.since else ""
        value = f", value {alarm.value}" if alarm.value else ""
        yield f"  {label(alarm)}: {alarm.message}{value}{from_then}"
    if len(alarms) > _SHOWN:
        yield f"  and {len(alarms) - _SHOWN} more: `tocsin alarms` lists them"


def _hidden_lines(alarms: Sequence[Alarm]) -> Iterator[str]:
    for alarm in alarms[:_SHOWN]:
        hidden = alarm.suppression
        now = f"; its PV is {base(alarm.current.severity)} now" if alarm.current is not None and alarm.connected else ""
        how = "shelved" if hidden is not None and hidden.until is not None else "out of service"
        yield f"  {label(alarm)}: {how} by {person(hidden.user if hidden is not None else '')}{now}"
    if len(alarms) > _SHOWN:
        yield f"  and {len(alarms) - _SHOWN} more"


def _grouped(alarms: Sequence[Alarm]) -> str:
    counts: dict[str, int] = {}
    for alarm in alarms:
        counts[str(alarm.severity)] = counts.get(str(alarm.severity), 0) + 1
    return ", ".join(f"{number} {name}" for name, number in counts.items())


def _names(alarms: Sequence[Alarm]) -> str:
    more = len(alarms) - _SHOWN
    return ", ".join(alarm.pv for alarm in alarms[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _alarms(number: int) -> str:
    return "one alarm" if number == 1 else f"{number} alarms"


def _next(facts: ComponentFacts) -> Iterator[str]:
    node = facts.node
    severity = known(node.severity)
    if severity == severity.OK:
        return
    yield "It shows less when none of these alarms has that severity any more: acknowledged, or back to OK."
    if node.counts.active > 1 and severity.is_active:
        yield "`tocsin explain` of one of them tells why, and what to do."
