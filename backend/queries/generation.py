"""Whether dashboards were made from the tree that is in force."""

from __future__ import annotations

from alarm_engine.model.subsystem import shape
from backend.queries.request import Ask, Row, Sources

CURRENT = "CURRENT"
OLDER = "OLDER"


def generation(sources: Sources, ask: Ask) -> list[Row]:
    """For each configuration: is `tree`, the shape that a dashboard was made from, the one in force."""
    return [_row(config, ask.tree, shape(tree.nodes)) for config, tree in ((tree.config, tree) for tree in sources.asked(ask))]


def _row(config: str, made_from: str, live: str) -> Row:
    is_current = made_from == live
    text = "Made from the tree in force" if is_current else "Made from another tree than the one in force: make the dashboards again"
    return {"config": config, "state": CURRENT if is_current else OLDER, "text": text}
