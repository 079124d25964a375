"""Configurations and alarms as they are now."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain
from operator import itemgetter
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Response
from pydantic import BeforeValidator, Field

from alarm_engine.model.path import ancestors, is_below
from alarm_engine.model.path import canonical as canonical_path
from alarm_engine.model.settings import AlarmSettings, TitledText
from alarm_engine.model.severity import NAMES
from alarm_engine.wire.runtime import Runtime
from backend.api.encoding import alarm_object, time_text
from backend.api.forms import AlarmAnswer, AlarmPage, ConfigurationList
from backend.api.freshness import live_response, trust
from backend.api.lookup import Path, Question, SeverityParameter, parts, trees_of
from backend.api.ordering import ORDERS, Key, cursor, read_cursor
from backend.api.problems import PREFIX, RESPONSES, Problem, fault, faulty_request
from backend.live import NOTABLE, LiveAlarm, Standing, standing
from backend.live.follower import Follower
from backend.services import Services

MAX_ALARMS = 10_000
WORST_FIRST = "severity"


class StateFilter(StrEnum):
    """Which alarms."""

    ACTIVE = "active"
    ACKNOWLEDGED = "acknowledged"
    SHELVED = "shelved"
    DISABLED = "disabled"
    OK = "ok"
    UNKNOWN = "unknown"
    STANDING = "standing"
    """In alarm or suppressed: everything that is not quiet."""
    ALL = "all"


_ALL = frozenset(Standing)
STATES: dict[StateFilter, frozenset[Standing]] = {
    StateFilter.STANDING: NOTABLE,
    StateFilter.ALL: _ALL,
    **{StateFilter(one.value): frozenset({one}) for one in Standing},
}
"""What each of them stands for."""


def _sort(name: object) -> object:
    if isinstance(name, str) and name.removeprefix("-") in ORDERS:
        return name
    raise ValueError(f"must be one of {', '.join(ORDERS)}, with a - before it for the other way round")


class AlarmQuestion(Question):
    """Parameters of `alarms`."""

    path: Path = Field(None, description="This alarm, or everything below this component.")
    state: Annotated[list[StateFilter], BeforeValidator(parts)] = Field(
        [], description="Repeatable. Default: active; with `acknowledged` given: active and acknowledged."
    )
    severity: Annotated[list[SeverityParameter], BeforeValidator(parts)] = Field(
        [],
        description="Repeatable; MAJOR includes MAJOR_ACK. Default: any.",
        json_schema_extra={"items": {"type": "string", "enum": list(NAMES)}},
    )
    acknowledged: bool | None = Field(None, description="Only acknowledged ones, or only others.")
    q: str = Field("", max_length=200, description="Words that must all be in path, description, message or value, in any case.")
    sort: Annotated[str, BeforeValidator(_sort)] = Field(
        WORST_FIRST,
        description=f"One of {', '.join(ORDERS)}; a - before it turns it round. `severity`: worst first, then newest first.",
    )
    limit: int = Field(1000, ge=1, le=MAX_ALARMS, description="Rows of a page.")
    offset: int = Field(0, ge=0, description="Rows to leave out. For all pages in a row take `after`: it has no gaps.")
    after: str | None = Field(None, max_length=20_000, description="Cursor: `next` of the page before.")

    def states(self) -> frozenset[Standing]:
        """The standings asked for."""
        if self.state:
            return frozenset[Standing]().union(*(STATES[one] for one in self.state))
        return STATES[StateFilter.ACTIVE] | (frozenset() if self.acknowledged is None else STATES[StateFilter.ACKNOWLEDGED])


@dataclass(slots=True)
class Row:
    """An alarm, encoded."""

    snapshot: object
    settings: object
    worst_first: Key
    json: orjson.Fragment


class AlarmRows:
    """Alarms as encoded rows. A row is encoded once for each state, and sent as often as it is asked for."""

    _KEPT = 50_000

    def __init__(self) -> None:
        self._rows: dict[str, Row] = {}

    def row(self, alarm: LiveAlarm) -> Row:
        """The row of an alarm as it is now."""
        known = self._rows.get(alarm.path)
        if known is not None and known.snapshot is alarm.snapshot and known.settings is alarm.settings:
            return known
        if len(self._rows) >= self._KEPT:
            self._rows.clear()
        row = Row(alarm.snapshot, alarm.settings, ORDERS[WORST_FIRST](alarm), orjson.Fragment(orjson.dumps(alarm_object(alarm))))
        self._rows[alarm.path] = row
        return row


def select(trees: Iterable[Follower], question: AlarmQuestion) -> list[LiveAlarm]:
    """The alarms that pass the filters, in no order."""
    states = question.states()
    wanted = {one for severity in question.severity for one in (severity, severity.acknowledged)}
    words = question.q.lower().split()
    found: list[LiveAlarm] = []
    for tree in trees:
        alarms: Iterable[LiveAlarm]
        if states <= NOTABLE:
            alarms = chain.from_iterable(tree.notable[state].values() for state in states)
        else:
            alarms = tree.alarms.values()
            if states != _ALL:
                alarms = (alarm for alarm in alarms if standing(alarm) in states)
        if question.path is not None:
            prefix = question.path
            alarms = (alarm for alarm in alarms if is_below(alarm.path, prefix))
        if wanted:
            alarms = (alarm for alarm in alarms if alarm.severity in wanted)
        if question.acknowledged is not None:
            asked = question.acknowledged
            alarms = (alarm for alarm in alarms if alarm.severity.is_acknowledged == asked)
        if words:
            alarms = (alarm for alarm in alarms if _has_words(alarm, words))
        found += alarms
    return found


def _has_words(alarm: LiveAlarm, words: Sequence[str]) -> bool:
    state = alarm.snapshot.alarm if alarm.snapshot else None
    text = f"{alarm.path}\n{alarm.settings.description}\n{state.message if state else ''}\n{state.value if state else ''}".lower()
    return all(word in text for word in words)


def page(alarms: Iterable[LiveAlarm], question: AlarmQuestion, rows: AlarmRows) -> tuple[list[orjson.Fragment], str | None]:
    """One page in the order asked for, and the cursor of the next; raises `Problem` for a cursor that is none."""
    name = question.sort.removeprefix("-")
    order, reverse = ORDERS[name], name != question.sort
    keyed: list[tuple[Key, LiveAlarm | Row]]
    if name == WORST_FIRST:
        keyed = [(row.worst_first, row) for row in map(rows.row, alarms)]
    else:
        keyed = [(order(alarm), alarm) for alarm in alarms]
    keyed.sort(key=_first, reverse=reverse)
    start = question.offset
    if question.after:
        try:
            last = read_cursor(question.after, question.sort)
            start += sum((key >= last) if reverse else (key <= last) for key, _ in keyed)
        except (ValueError, TypeError) as problem:
            raise faulty_request([fault("query.after", str(problem), question.after)]) from None
    end = start + question.limit
    shown = keyed[start:end]
    following = cursor(question.sort, shown[-1][0]) if shown and end < len(keyed) else None
    return [(one if isinstance(one, Row) else rows.row(one)).json for _, one in shown], following


_first = itemgetter(0)


def alarms_router(services: Services) -> APIRouter:
    """`configurations`, `alarms`, `alarms/PATH`."""
    router = APIRouter(prefix=PREFIX, tags=["alarms"], responses=RESPONSES)
    live, rows = services.live, AlarmRows()

    @router.get("/configurations", summary="All alarm trees", response_model=ConfigurationList)
    async def configurations() -> Response:
        """The alarm trees that this server shows."""
        trees = list(live.trees.values())
        return live_response({"configurations": [_configuration(tree) for tree in trees]}, trees)

    @router.get("/alarms", summary="Alarms that are active now", response_model=AlarmPage)
    async def alarms(question: Annotated[AlarmQuestion, Query()]) -> Response:
        """Alarms as they are now, filtered, sorted and page by page; without parameters the active ones, worst first."""
        trees = trees_of(live, question.config, question.path)
        _check_path(trees, question.path)
        found = select(trees, question)
        shown, following = page(found, question, rows)
        return live_response({"total": len(found), "alarms": shown, "next": following}, trees)

    @router.get("/alarms/{path:path}", summary="Everything about one alarm", response_model=AlarmAnswer)
    async def alarm(path: str) -> Response:
        """State, settings and guidance (also of the components above) of one alarm."""
        path = canonical_path("/" + path)
        [tree] = trees_of(live, None, path) if path != "/" else [None]
        found = tree.alarms.get(path) if tree is not None else None
        if tree is None or found is None:
            what = "a component, not an alarm" if tree is not None and path in tree.nodes else "not in the alarm tree"
            raise Problem(404, f"{path[:500]} is {what}")
        body = {**alarm_object(found), "waiting": _waiting(tree.runtime(path)), "settings": _settings(found, tree, services)}
        return live_response({"alarm": body}, [tree])

    return router


def _check_path(trees: Sequence[Follower], path: str | None) -> None:
    """Raise `Problem` (404) for a path that is not there: no alarm below a misspelt one must not read as all is well.

    Of a tree that is stale nobody knows what it has; then the answer says that.
    """
    if path is None or any(path in tree.alarms or path in tree.nodes or tree.freshness().stale for tree in trees):
        return
    raise Problem(404, f"there is no alarm and no component {path[:500]}")


def _configuration(tree: Follower) -> dict[str, Any]:
    freshness, root = tree.freshness(), tree.root
    return {
        "name": tree.config,
        "alarms": root.counts.total,
        "severity": NAMES[root.severity],
        "maintenance": freshness.maintenance,
        "notify": freshness.notify,
        **trust([tree]),
    }


def _waiting(runtime: Runtime | None) -> dict[str, Any] | None:
    """What waits for its delay: the form `WaitingForm`."""
    if runtime is None or runtime.pending is None or runtime.deadline is None:
        return None
    pending = runtime.pending
    return {
        "severity": NAMES[pending.severity],
        "message": pending.message,
        "value": pending.value,
        "time": time_text(pending.time),
        "due": time_text(runtime.deadline),
    }


def _settings(alarm: LiveAlarm, tree: Follower, services: Services) -> dict[str, Any]:
    settings: AlarmSettings = alarm.settings
    texts: dict[str, list[dict[str, str]]] = {"guidance": [], "displays": [], "commands": []}
    for path in (alarm.path, *ancestors(alarm.path)):
        holder = settings if path == alarm.path else tree.nodes[path].settings
        for name, entries in texts.items():
            entries += [_text(name, entry, path, services) for entry in getattr(holder, name)]
    plain = {name: getattr(settings, name) for name in ("description", "enabled", "latching", "annunciating", "delay_s", "count", "filter")}
    actions = [{"title": action.title, "details": action.details, "delay_s": action.delay_s} for action in settings.actions]
    return {**plain, "enabled_at": time_text(settings.enabled_at), **texts, "actions": actions}


def _text(name: str, entry: TitledText, path: str, services: Services) -> dict[str, str]:
    html = services.guidance.html(entry.details) if name == "guidance" else ""
    return {"title": entry.title, "details": entry.details, "html": html, "source": path}
