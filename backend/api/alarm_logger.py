"""The REST interface of the Phoebus alarm logger, answered from our history: CS-Studio's alarm log table asks here.

Paths, parameters and answers are those of the logger. In one thing it is not copied: where the history does not answer, it is said so (503)
and not answered with an empty list, which would look like quiet.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from importlib.metadata import version

import orjson
from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from starlette.routing import Match, Route
from starlette.types import Scope

from alarm_engine.errors import HistoryError
from alarm_engine.model.path import is_path, name
from alarm_engine.model.settings import AlarmSettings, Settings
from alarm_engine.model.times import NANOS_PER_SECOND, Nanos, iso
from alarm_engine.wire.keys import RecordType
from backend.api.health import history_problem
from backend.api.problems import RESPONSES, Problem
from backend.history.port import MAX_RANGE_DAYS, EventQuery
from backend.live.follower import Follower
from backend.phoebus.elements import Element, elements_of, key_of, settings_text
from backend.phoebus.search import BadSearch, Search, after, merge, read_search
from backend.services import Services

CUT = "Tocsin-Cut"
"""Header that says how far back was looked, where a search was given up before it had enough."""
_PAGE = 1000
_LONGEST_S = 10.0
_DAY_NS = 86_400 * NANOS_PER_SECOND
_AHEAD_NS = 3600 * NANOS_PER_SECOND


class _ForMachines(Route):
    """A route for those who ask for JSON; browsers get the page."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """See `Route.matches`."""
        headers = dict(scope.get("headers", ()))
        return super().matches(scope) if b"application/json" in headers.get(b"accept", b"") else (Match.NONE, {})


def info_route(services: Services) -> Route:
    """`/` for those who ask for JSON; to be looked at before the page."""

    async def info(_: Request) -> Response:
        problem = await history_problem(services)
        elastic = {"status": problem or "Connected", "clusterName": "tocsin", "clusterUuid": "", "version": version("tocsin")}
        return _json({"name": "Alarm logging service (tocsin)", "version": version("tocsin"), "elastic": elastic})

    return _ForMachines("/", info, include_in_schema=False)


def alarm_logger_router(services: Services) -> APIRouter:
    """`/search/alarm` and what goes with it."""
    router = APIRouter(tags=["alarm logger"], responses=RESPONSES)

    @router.get("/search/alarm", summary="Search as the Phoebus alarm logger does", response_class=Response)
    async def search_alarm(request: Request) -> Response:
        """States, edits and commands, newest first; the parameters are those of the logger."""
        return await _answer(services, request.query_params.multi_items())

    @router.get("/search/alarm/pv/{pv:path}", summary="The same for a part of the path of a PV", response_class=Response)
    async def search_alarm_of_pv(pv: str) -> Response:
        """As `pv=`."""
        return await _answer(services, [("pv", pv)])

    @router.get("/search/alarm/config", summary="Settings of an alarm or a component", response_class=Response)
    async def search_alarm_config(config: str | None = None) -> Response:
        """The settings as they are now, or nothing."""
        if not config:
            raise Problem(400, "config is missing: give the path, as /Demo/Cooling/Pump1:Flow")
        return _json(_settings(services, config))

    @router.get("/swagger-ui", include_in_schema=False)
    async def swagger() -> RedirectResponse:
        """Where the interface is described."""
        return RedirectResponse("openapi.json", 301)

    return router


async def _answer(services: Services, parameters: Sequence[tuple[str, str]]) -> Response:
    now = services.clock.now().wall
    try:
        search = read_search(parameters, now)
    except BadSearch as problem:
        raise Problem(400, str(problem)) from problem
    trees = [t for config, t in services.live.trees.items() if search.roots is None or config.startswith(search.roots)]
    try:
        found = await asyncio.gather(*(_search(services, tree, search, now) for tree in trees))
    except HistoryError as problem:
        raise Problem(503, f"the history does not answer: {problem}") from problem
    cuts = [looked for _, looked in found if looked is not None]
    return _json(merge([elements for elements, _ in found], search.size), {CUT: f"searched back to {iso(max(cuts))} only"} if cuts else {})


async def _search(services: Services, tree: Follower, search: Search, now: Nanos) -> tuple[list[Element], Nanos | None]:
    """The newest elements of a configuration; and how far back was looked, if that was given up."""
    end = after(search.end) if search.end is not None else Nanos(now + _AHEAD_NS)
    start = max(search.start or Nanos(0), Nanos(end - MAX_RANGE_DAYS * _DAY_NS))
    found: list[Element] = []
    cursor = None
    limit = time.monotonic() + _LONGEST_S
    while True:
        query = EventQuery(
            tree.config,
            Nanos(start),
            end,
            severities=search.severities(),
            user=search.exact_user,
            text=search.literal or None,
            limit=_PAGE,
            after=cursor,
        )
        page = await services.history.events(query)
        for event in page.events:
            found += [element for element in elements_of(event) if search.finds(element)]
        if len(found) >= search.size or page.next is None:
            return found[: search.size], None
        if time.monotonic() > limit:
            return found, page.events[-1].time
        cursor = page.next


def _settings(services: Services, wanted: str) -> list[Element]:
    """The first alarm or component whose key has that text in it."""
    wanted = wanted.replace("\\", "")
    for tree in services.live.trees.values():
        if is_path(wanted) and not wanted.startswith(f"/{tree.config}"):
            continue
        known: dict[str, Settings] = {path: alarm.settings for path, alarm in tree.alarms.items()}
        known |= {path: node.settings for path, node in tree.nodes.items()}
        for path, settings in known.items():
            key = key_of(RecordType.CONFIG, path)
            if key.endswith(wanted):
                enabled = settings.enabled if isinstance(settings, AlarmSettings) else True
                return [{"config": key, "pv": name(path), "config_msg": settings_text(settings, path), "enabled": enabled}]
    return []


def _json(what: object, headers: dict[str, str] | None = None) -> Response:
    return Response(orjson.dumps(what), headers={"Cache-Control": "no-store", **(headers or {})}, media_type="application/json")
