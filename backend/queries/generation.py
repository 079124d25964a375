"""Whether dashboards were made from the tree that is in force."""

from __future__ import annotations

from alarm_engine.model.path import natural_key
from alarm_engine.model.subsystem import MAX_PAGES, Made, browser_uid, shape, system_of
from backend.live.model import LiveAlarm, LiveNode, LiveTree
from backend.queries.request import Ask, Row, Sources

CURRENT = "CURRENT"
OLDER = "OLDER"


def generation(sources: Sources, ask: Ask) -> list[Row]:
    """For each configuration: is `tree`, the shape of the tree that a dashboard was made from, that of the one in force."""
    return [_row(tree.config, ask.tree, shape_of(tree)) for tree in sources.asked(ask)]


def shape_of(tree: LiveTree) -> str:
    """What dashboards made of it now would have as the shape of their tree."""
    return shape(Made(tree.nodes, tree.ids, _first_alarm(tree.root), bool(tree.root.alarms)))


def led(sources: Sources, ask: Ask, rows: list[Row]) -> list[Row]:
    """The rows, with `dash` leading only to what is there.

    A dashboard says with `tree` what it was made from. If that is another tree than the one in force, or the subsystem of a row is gone,
    or there are more subsystems than get a dashboard, then `dash` is the one where any component can be chosen, as tiles do it.
    """
    tree = sources.trees.get(ask.config or "")
    if not ask.tree or tree is None:
        return rows
    as_made = ask.tree == shape_of(tree) and len(tree.root.nodes) <= MAX_PAGES
    there = {*tree.root.nodes, *([""] if tree.root.alarms else [])} if as_made else set()
    anywhere = browser_uid(tree.config)
    return [row if not row["dash"] or system_of(str(row["system"])) in there else {**row, "dash": anywhere} for row in rows]


def _first_alarm(node: LiveNode) -> str:
    """Path of the first alarm in the order of tree files, where components and alarms of one parent are sorted together."""
    together: list[tuple[str, LiveAlarm | LiveNode]] = [*node.alarms.items(), *node.nodes.items()]
    for _, one in sorted(together, key=lambda item: (natural_key(item[0]), item[0])):
        found = one.path if isinstance(one, LiveAlarm) else _first_alarm(one)
        if found:
            return found
    return ""


def _row(config: str, made_from: str, live: str) -> Row:
    is_current = made_from == live
    text = "Made from the tree in force" if is_current else "Made from another tree than the one in force: make the dashboards again"
    return {"config": config, "state": CURRENT if is_current else OLDER, "text": text}
