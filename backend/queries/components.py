"""Rows about components at any depth: one as a whole, what stands in it, and what is like an alarm in its place."""

from __future__ import annotations

from alarm_engine.model.path import parent
from alarm_engine.model.severity import Severity
from alarm_engine.model.subsystem import DIRECT
from backend.live.model import LiveAlarm, LiveNode, LiveTree
from backend.live.standing import Standing, counted, standing
from backend.queries.ages import live_age_s
from backend.queries.live import NO_DATA, spoken, system_row
from backend.queries.request import Ask, Row, Sources
from backend.queries.scope import STALE, Subsystem, age_s, stale_note, state_name

_MAX_NEIGHBOURS = 200


def component(sources: Sources, ask: Ask) -> list[Row]:
    """A row for the component of the path (without one: for the whole configuration), as `systems` has it."""
    rows: list[Row] = []
    for tree in sources.asked(ask):
        node = _node(tree, ask)
        if node is not None:
            rows.append(system_row(_whole(tree, node), tree.freshness().stale, live_age_s(tree)))
    return rows


def components(sources: Sources, ask: Ask) -> list[Row]:
    """A row for each component directly below the one of the path, as `systems` has it; alarms beside them have a row of their own."""
    rows: list[Row] = []
    for tree in sources.asked(ask):
        stale, age = tree.freshness().stale, live_age_s(tree)
        rows += [system_row(part, stale, age) for part in parts(tree, ask)]
    return rows


def parts(tree: LiveTree, ask: Ask) -> list[Subsystem]:
    """What stands in the component of a question; the component itself where it holds nothing but alarms."""
    node = _node(tree, ask)
    if node is None:
        return []
    if not node.nodes:
        return [_whole(tree, node)]
    found = [_whole(tree, child) for child in node.nodes.values()]
    if node.alarms:
        found.append(Subsystem(tree.config, DIRECT, node.path, counted(node.alarms.values()), None, node.alarms))
    return found


def _node(tree: LiveTree, ask: Ask) -> LiveNode | None:
    return tree.root if ask.path is None else tree.nodes.get(ask.path)


def _whole(tree: LiveTree, node: LiveNode) -> Subsystem:
    return Subsystem(tree.config, node.name, node.path, node.counts, node, {}, tree.ids.get(node.path, ""))


def neighbours(sources: Sources, ask: Ask) -> list[Row]:
    """The alarms in the same component as the one of the path, the worst first, quiet ones included. Empty for an unknown path."""
    rows: list[Row] = []
    for tree in sources.asked(ask):
        if ask.path is None or ask.path not in tree.alarms:
            continue
        freshness = tree.freshness()
        if freshness.stale:
            rows.append(_note(STALE, stale_note(freshness)))
        around = [alarm for alarm in tree.nodes[parent(ask.path)].alarms.values() if alarm.path != ask.path]
        around.sort(key=lambda alarm: -alarm.severity)
        limit = ask.limit or _MAX_NEIGHBOURS
        rows += [_neighbour(alarm, sources) for alarm in around[:limit]]
        if len(around) > limit:
            rows.append(_note(None, f"and {len(around) - limit} more"))
        elif not around:
            rows.append(_note(None, "It is the only alarm of its component"))
    return rows


def _neighbour(alarm: LiveAlarm, sources: Sources) -> Row:
    snapshot = alarm.snapshot
    word = NO_DATA if standing(alarm) is Standing.UNKNOWN else state_name(standing(alarm), alarm.severity)
    return {
        "severity": word,
        "pv": alarm.pv,
        "path": alarm.path,
        "description": spoken(alarm.settings.description),
        "value": snapshot.current.value if snapshot else "",
        "age": None if snapshot is None or alarm.severity is Severity.OK else age_s(snapshot.since, sources),
    }


def _note(severity: str | None, description: str) -> Row:
    return {"severity": severity, "pv": "", "path": "", "description": description, "value": "", "age": None}
