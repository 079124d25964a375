"""The tree to a depth, and figures per subsystem."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import Field

from alarm_engine.model.severity import NAMES, Severity
from backend.api.encoding import alarm_object
from backend.api.forms import SummaryAnswer, TreeAnswer
from backend.api.freshness import live_response
from backend.api.lookup import Path, Question, one_tree, trees_of
from backend.api.problems import PREFIX, RESPONSES, Problem
from backend.live import Counts, LiveNode
from backend.live.standing import counted
from backend.services import Services

_ACTIVE = [severity for severity in Severity if severity.is_active]
_ACKNOWLEDGED = [severity for severity in Severity if severity.is_acknowledged]


class TreeQuestion(Question):
    """Parameters of `tree`."""

    path: Path = Field(None, description="Component to begin with; default: the root.")
    depth: int = Field(1, ge=0, le=100, description="Levels of components below it.")
    leaves: bool = Field(False, description="With the alarms of each component shown.")


def tree_router(services: Services) -> APIRouter:
    """`tree` and `summary`."""
    router = APIRouter(prefix=PREFIX, tags=["alarms"], responses=RESPONSES)

    @router.get("/tree", summary="The tree to a depth", response_model=TreeAnswer)
    async def tree(question: Annotated[TreeQuestion, Query()]) -> Response:
        """Components with their severity and counts, siblings in natural order."""
        found = one_tree(services.live, question.config, question.path)
        node = found.nodes.get(question.path or found.root.path)
        if node is None:
            what = "an alarm, not a component" if question.path in found.alarms else "not in the alarm tree"
            raise Problem(404, f"{question.path} is {what}")
        return live_response({"root": node_object(node, question.depth, question.leaves)}, [found])

    @router.get("/summary", summary="Figures per subsystem", response_model=SummaryAnswer)
    async def summary(question: Annotated[Question, Query()]) -> Response:
        """Counts for each component directly below the root, and for alarms that stand directly below it."""
        trees = trees_of(services.live, question.config, None)
        systems: list[dict[str, Any]] = []
        for one in trees:
            root = one.root
            for node in root.nodes.values():
                systems.append(_system(one.config, node.name, node.path, node.counts))
            if root.alarms:
                systems.append(_system(one.config, "", root.path, counted(root.alarms.values())))
        return live_response({"systems": systems}, trees)

    return router


def node_object(node: LiveNode, depth: int, leaves: bool) -> dict[str, Any]:
    """A component with what is below it: the form `NodeForm`."""
    return {
        "path": node.path,
        "name": node.name,
        "severity": NAMES[node.severity],
        "alarms": node.counts.total,
        "counts": _counts(node.counts),
        "nodes": [node_object(below, depth - 1, leaves) for below in node.nodes.values()] if depth > 0 else None,
        "leaves": [alarm_object(alarm) for alarm in node.alarms.values()] if leaves else None,
    }


def _system(config: str, name: str, path: str, counts: Counts) -> dict[str, Any]:
    return {"config": config, "system": name, "path": path, "worst": NAMES[counts.highest()], **_counts(counts)}


def _counts(counts: Counts) -> dict[str, Any]:
    return {
        "total": counts.total,
        "severities": dict(zip(NAMES, counts.severities, strict=True)),
        "active": sum(counts.severities[severity] for severity in _ACTIVE),
        "acknowledged": sum(counts.severities[severity] for severity in _ACKNOWLEDGED),
        "shelved": counts.shelved,
        "disabled": counts.disabled,
        "unknown": counts.unknown,
        "disconnected": counts.disconnected,
    }
