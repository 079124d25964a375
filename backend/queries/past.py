"""Rows about a moment in the past, what differs between two, and who acknowledged what.

A moment that is not known completely says so, as the tiles of now do when the engine is silent: nothing there looks calm.
"""

from __future__ import annotations

import asyncio

from alarm_engine.model.path import is_below, name, system
from alarm_engine.model.subsystem import title
from alarm_engine.model.times import Nanos, to_ms
from backend.history.port import PastAlarm
from backend.live.model import LiveAlarm, LiveTree
from backend.live.standing import NOTABLE, counted, standing
from backend.past.acknowledgements import Acknowledged, acknowledgements
from backend.past.difference import Change, difference
from backend.past.reach import Moment, moment
from backend.past.tree import PastTree, found_in, standing_then, with_states
from backend.queries.ages import past_age_s
from backend.queries.live import spoken, system_row
from backend.queries.log import events_asked
from backend.queries.request import Ask, Row, Sources
from backend.queries.scope import STALE, Subsystem, dash_of, state_name

_MAX_ALARMS = 1_000
_MAX_ACKNOWLEDGED = 200


async def systems(sources: Sources, ask: Ask) -> list[Row]:
    """A row for each subsystem as it was at a moment (`at`, else the end of the range), as `systems` has them for now."""
    rows: list[Row] = []
    for tree in sources.asked(ask):
        found = await _moment(tree, ask, sources)
        past = await asyncio.to_thread(PastTree, tree.config, found.states)
        nodes = past.root.nodes.values()
        parts = [Subsystem(tree.config, node.name, node.path, node.counts, node, {}, tree.ids.get(node.path, "")) for node in nodes]
        direct = await with_states(sources.history, tree.config, past.directly_below(past.root.path), found.time)
        if direct:
            parts.append(Subsystem(tree.config, "", past.root.path, counted(direct), None, {one.path: one for one in direct}))
        asked = [part for part in parts if not ask.systems or part.title in ask.systems or part.dash in ask.systems]
        age = await past_age_s(tree, sources)
        rows += [{"time": to_ms(found.time), **system_row(part, not found.complete, age), "remark": found.remark} for part in asked]
        if not parts and not found.complete:
            unknown: Row = {"time": to_ms(found.time), "worst": STALE, "tile": STALE, "data_age": age, "remark": found.remark}
            rows.append({**dict.fromkeys(SYSTEM.split()), **unknown})
    return rows


async def alarms(sources: Sources, ask: Ask) -> list[Row]:
    """What stood or was suppressed at a moment (`at`, else the end of the range), worst first, then newest."""
    rows: list[Row] = []
    limit = ask.limit or _MAX_ALARMS
    for tree in sources.asked(ask):
        found = await _moment(tree, ask, sources)
        here = [one for one in found.states.alarms if _is_asked(one.path, tree, ask)]
        asked = [one for one in here if standing_then(one) in NOTABLE and (not ask.severities or ask.wants(one.severity))]
        asked.sort(key=lambda one: (-one.severity, -one.time, one.path))
        if ask.text:
            asked = await found_in(sources.history, tree.config, asked, found.time, ask.text)
        if not found.complete:
            rows.append(_note(found, STALE, f"Not all is known of that moment: {found.remark}"))
        elif here and not asked:
            rows.append(_note(found, "OK", "No alarm stood"))
        shown = await with_states(sources.history, tree.config, asked[:limit], found.time)
        rows += [_alarm_row(found, tree, one) for one in shown]
        if len(asked) > limit:
            rows.append(_note(found, asked[limit].severity.name, f"and {len(asked) - limit} more: choose a subsystem or a severity"))
    return rows


async def changes(sources: Sources, ask: Ask) -> list[Row]:
    """Alarms that are not at the end of the range as they were at its begin: changed, appeared, removed."""
    rows: list[Row] = []
    limit = ask.limit or _MAX_ALARMS
    for tree in sources.asked(ask):
        end = min(ask.end, sources.now)
        before = await moment(sources.history, tree.config, min(ask.start, end), sources.now, None, tree)
        after = await moment(sources.history, tree.config, end, sources.now, None, tree)
        found = [one for one in difference(before.states, after.states) if _is_asked(one.path, tree, ask)]
        for one in (before, after):
            if not one.complete:
                rows.append(_change_note(one.time, f"Not all is known of that moment: {one.remark}"))
        here = any(_is_asked(one.path, tree, ask) for one in (*before.states.alarms, *after.states.alarms))
        if here and not found and before.complete and after.complete:
            rows.append(_change_note(end, "No alarm differs"))
        rows += [_change_row(tree, one) for one in found[:limit]]
        if len(found) > limit:
            rows.append(_change_note(end, f"and {len(found) - limit} more: choose a subsystem"))
    return rows


async def acknowledged(sources: Sources, ask: Ask) -> list[Row]:
    """Who acknowledged what, newest first, and the seconds from the annunciation on; null where that is not known."""
    limit = ask.limit or _MAX_ACKNOWLEDGED
    found: list[Acknowledged] = []
    more = False
    for _, query in events_asked(sources, ask, limit):
        some, following = await acknowledgements(sources.history, query)
        found += some
        more = more or following is not None
    found.sort(key=lambda one: (one.event.time, one.event.id), reverse=not ask.oldest_first)
    rows = [_acknowledged_row(one, sources.trees[one.event.id.config]) for one in found[:limit]]
    if more or len(found) > limit:
        rows.append({**dict.fromkeys(ACKNOWLEDGED.split()), "description": f"Only {limit} are shown: choose a shorter range"})
    elif not rows and sources.asked(ask):
        rows.append({**dict.fromkeys(ACKNOWLEDGED.split()), "description": "Nobody acknowledged anything in this range"})
    return rows


SYSTEM = (
    "time system path worst rank active unacked major minor invalid undefined "
    "acked shelved unknown pvs tile page dash since data_age remark"
)
ALARM = "time severity rank acked ack_by since system dash pv path description value message"
CHANGE = "time change before after system dash pv path description"
ACKNOWLEDGED = "time by host severity delay annunciated system dash pv path description comment"
"""Columns, in the order of the rows."""


async def _moment(tree: LiveTree, ask: Ask, sources: Sources) -> Moment:
    time = min(ask.end if ask.at is None else ask.at, sources.now)
    return await moment(sources.history, tree.config, time, sources.now, None, tree)


def _is_asked(path: str, tree: LiveTree, ask: Ask) -> bool:
    if ask.paths and not any(is_below(path, one) for one in ask.paths):
        return False
    of = system(path)
    return not ask.systems or title(of) in ask.systems or dash_of(tree, of) in ask.systems


def _note(found: Moment, severity: str, text: str) -> Row:
    return {**dict.fromkeys(ALARM.split()), "time": to_ms(found.time), "severity": severity, "description": text}


def _alarm_row(found: Moment, tree: LiveTree, alarm: LiveAlarm) -> Row:
    snapshot = alarm.snapshot
    assert snapshot is not None, "only alarms with a state are looked up"
    return {
        "time": to_ms(found.time),
        "severity": state_name(standing(alarm), alarm.severity),
        "rank": int(alarm.severity),
        "acked": alarm.severity.is_acknowledged,
        "ack_by": snapshot.acknowledgement.user if snapshot.acknowledgement else "",
        "since": to_ms(snapshot.since),
        "system": title(alarm.system),
        "dash": dash_of(tree, alarm.system),
        "pv": alarm.pv,
        "path": alarm.path,
        "description": spoken(alarm.settings.description),
        "value": snapshot.current.value,
        "message": snapshot.alarm.message,
    }


def _change_note(time: Nanos, text: str) -> Row:
    return {**dict.fromkeys(CHANGE.split()), "time": to_ms(time), "description": text}


def _change_row(tree: LiveTree, change: Change) -> Row:
    of, last = system(change.path), change.after or change.before
    return {
        "time": to_ms(last.time) if last else None,
        "change": change.kind.value,
        "before": _word(change.before),
        "after": _word(change.after),
        "system": title(of),
        "dash": dash_of(tree, of),
        "pv": name(change.path),
        "path": change.path,
        "description": "",
    }


def _word(alarm: PastAlarm | None) -> str | None:
    return None if alarm is None else state_name(standing_then(alarm), alarm.severity)


def _acknowledged_row(one: Acknowledged, tree: LiveTree) -> Row:
    event = one.event
    of = system(event.path)
    return {
        "time": to_ms(event.time),
        "by": event.user or event.reason,
        "host": event.host,
        "severity": event.from_severity.name,
        "delay": one.after_s,
        "annunciated": to_ms(one.annunciation.time) if one.annunciation else None,
        "system": title(of),
        "dash": dash_of(tree, of),
        "pv": name(event.path),
        "path": event.path,
        "description": spoken(event.description),
        "comment": event.comment,
    }
