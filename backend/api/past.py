"""The tree as it was at a moment, and what differs between two."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BeforeValidator, Field

from alarm_engine.model.path import name, system
from alarm_engine.model.severity import NAMES
from alarm_engine.model.times import Nanos, iso
from backend.api.alarms import STATES, StateFilter
from backend.api.encoding import alarm_object, time_text
from backend.api.events import history_response
from backend.api.lookup import Path, Question, SeverityParameter, moment, one_tree, parts
from backend.api.past_forms import DifferenceAnswer, PastAlarmPage, PastTreeAnswer
from backend.api.problems import PREFIX, RESPONSES, Problem, fault, faulty_request
from backend.api.tree import node_object
from backend.history.port import PastAlarm
from backend.live import Standing
from backend.past.difference import Change, difference
from backend.past.reach import Moment
from backend.past.reach import moment as look
from backend.past.tree import PastTree, found_in, standing_then, with_states
from backend.services import Services

MAX_ALARMS = 10_000

_At = Field(max_length=40, description="The moment: ISO 8601 with zone, milliseconds, or a span from now like `-1h`.")


class PastTreeQuestion(Question):
    """Parameters of `history/tree`."""

    at: Annotated[str, _At]
    path: Path = Field(None, description="Component to begin with; default: the root.")
    depth: int = Field(1, ge=0, le=100, description="Levels of components below it.")
    leaves: bool = Field(False, description=f"With the alarms of each component shown; no more than {MAX_ALARMS} of them.")


class PastAlarmQuestion(Question):
    """Parameters of `history/alarms`."""

    at: Annotated[str, _At]
    path: Path = Field(None, description="This alarm, or everything below this component.")
    state: Annotated[list[StateFilter], BeforeValidator(parts)] = Field([StateFilter.ACTIVE], description="Repeatable. Default: active.")
    severity: Annotated[list[SeverityParameter], BeforeValidator(parts)] = Field(
        [],
        description="Repeatable; MAJOR includes MAJOR_ACK. Default: any.",
        json_schema_extra={"items": {"type": "string", "enum": list(NAMES)}},
    )
    q: str | None = Field(None, max_length=200, description="Part of path, description or message, in any case.")
    limit: int = Field(1000, ge=1, le=MAX_ALARMS, description="Rows of a page.")
    offset: int = Field(0, ge=0, description="Rows to leave out.")


class DifferenceQuestion(Question):
    """Parameters of `history/difference`."""

    from_: str = Field(alias="from", max_length=40, description="The first moment: ISO 8601 with zone, milliseconds, or `-1h`.")
    to: str = Field("now", max_length=40, description="The second one. Default: now.")
    path: Path = Field(None, description="This alarm, or everything below this component.")
    limit: int = Field(1000, ge=1, le=MAX_ALARMS, description="Alarms at most.")


def past_router(services: Services) -> APIRouter:
    """`history/tree`, `history/alarms`, `history/difference`."""
    router = APIRouter(prefix=PREFIX + "/history", tags=["history"], responses=RESPONSES)
    live, history = services.live, services.history

    def when(parameter: str, text: str) -> Nanos:
        now = services.clock.now().wall
        try:
            time = moment(text, now)
        except ValueError as problem:
            raise faulty_request([fault(f"query.{parameter}", str(problem), text)]) from None
        if time > now:
            raise faulty_request([fault(f"query.{parameter}", f"{iso(time)} lies in the future, of which nothing is known", text)])
        return time

    @router.get("/tree", summary="The tree as it was at a moment", response_model=PastTreeAnswer)
    async def past_tree(question: Annotated[PastTreeQuestion, Query()]) -> Response:
        """Components with the severity and counts that they had; alarms that are no longer in the tree are in it."""
        tree = one_tree(live, question.config, question.path)
        found = await look(history, tree.config, when("at", question.at), services.clock.now().wall, question.path, tree)
        past = await asyncio.to_thread(PastTree, tree.config, found.states)
        root = past.nodes.get(question.path or past.root.path)
        if root is None:
            raise Problem(404, _nothing_at(question.path, past, found))
        if question.leaves:
            nodes = list(past.within(root, question.depth))
            leaves = {node.path: past.directly_below(node.path) for node in nodes}
            number = sum(map(len, leaves.values()))
            if number > MAX_ALARMS:
                raise faulty_request([fault("query.leaves", f"these are {number} alarms, at most {MAX_ALARMS} are shown: go less deep")])
            known = await with_states(history, tree.config, [one for some in leaves.values() for one in some], found.time)
            shown = {alarm.path: alarm for alarm in known}
            for node in nodes:
                node.alarms = {one.path: shown[one.path] for one in leaves[node.path] if one.path in shown}
        return history_response({**about_object(found), "root": node_object(root, question.depth, question.leaves)})

    @router.get("/alarms", summary="Alarms as they were at a moment", response_model=PastAlarmPage)
    async def past_alarms(question: Annotated[PastAlarmQuestion, Query()]) -> Response:
        """Alarms at a moment, worst first, then newest; without other parameters those that were active."""
        tree = one_tree(live, question.config, question.path)
        found = await look(history, tree.config, when("at", question.at), services.clock.now().wall, question.path, tree)
        states = frozenset[Standing]().union(*(STATES[one] for one in question.state))
        wanted = {one for severity in question.severity for one in (severity, severity.acknowledged)}
        passing = [one for one in found.states.alarms if standing_then(one) in states and (not wanted or one.severity in wanted)]
        passing.sort(key=lambda one: (-one.severity, -one.time, one.path))
        if question.q:
            passing = await found_in(history, tree.config, passing, found.time, question.q)
        shown = await with_states(history, tree.config, passing[question.offset : question.offset + question.limit], found.time)
        return history_response({**about_object(found), "total": len(passing), "alarms": [alarm_object(one) for one in shown]})

    @router.get("/difference", summary="What differs between two moments", response_model=DifferenceAnswer)
    async def past_difference(question: Annotated[DifferenceQuestion, Query()]) -> Response:
        """Alarms that changed, appeared or were removed from one moment to another."""
        tree = one_tree(live, question.config, question.path)
        first, second = when("from", question.from_), when("to", question.to)
        if first >= second:
            raise faulty_request([fault("query.from", f"must be before the second moment: {iso(first)} is not before {iso(second)}")])
        now = services.clock.now().wall
        before = await look(history, tree.config, first, now, question.path, tree)
        after = await look(history, tree.config, second, now, question.path, tree)
        changes = await asyncio.to_thread(difference, before.states, after.states)
        body = {"before": about_object(before), "after": about_object(after), "total": len(changes), "cut": len(changes) > question.limit}
        return history_response({**body, "changes": [change_object(one) for one in changes[: question.limit]]})

    return router


def _nothing_at(path: str | None, past: PastTree, found: Moment) -> str:
    if path in past.alarms:
        return f"{path} was an alarm, not a component"
    return f"{path} is not in the alarm tree of {iso(found.time)}: {found.remark}"


def about_object(found: Moment) -> dict[str, Any]:
    """What is to be known about a moment: the form `MomentForm`."""
    newest = found.newest
    return {
        "at": iso(found.time),
        "as_of": str(newest.id) if newest else None,
        "as_of_time": time_text(newest.time) if newest else None,
        "complete": found.complete,
        "remark": found.remark,
    }


def change_object(change: Change) -> dict[str, Any]:
    """One alarm that is not as it was: the form `ChangeForm`."""
    return {
        "path": change.path,
        "pv": name(change.path),
        "system": system(change.path),
        "change": change.kind.value,
        "before": _then(change.before),
        "after": _then(change.after),
    }


def _then(alarm: PastAlarm | None) -> dict[str, Any] | None:
    if alarm is None:
        return None
    return {
        "severity": NAMES[alarm.severity],
        "state": standing_then(alarm).value,
        "connected": alarm.connected,
        "event": str(alarm.event),
        "time": time_text(alarm.time),
    }
