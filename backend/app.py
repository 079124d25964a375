"""The application: routers, errors, gate and figures put together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI

from backend.api import problems
from backend.api.alarm_logger import alarm_logger_router, info_route
from backend.api.alarms import alarms_router
from backend.api.commands import commands_router
from backend.api.description import describe
from backend.api.events import events_router
from backend.api.figures import figures_router
from backend.api.files import files_router
from backend.api.grafana import grafana_router
from backend.api.health import health_router
from backend.api.over_time import over_time_router
from backend.api.past import past_router
from backend.api.rows import rows_router
from backend.api.stream import Streams, stream_router
from backend.api.tree import tree_router
from backend.api.what_if import what_if_router
from backend.commander import Commander
from backend.gate import Gate
from backend.metrics import Measure, Metrics
from backend.services import BackendSettings, Services
from backend.web.pages import pages_router

__all__ = ["BackendSettings", "Services", "create_app"]

_DESCRIPTION = """Live and past alarms of an EPICS control system.

Every live answer says how much it can be trusted: `as_of` (the newest event that is in it), `age_s` (since the engine's last life sign)
and `stale`. Errors are problem documents (RFC 9457) with a `message` for people."""


def create_app(services: Services) -> FastAPI:
    """The application over services that somebody else starts and stops.

    `app.state.close()` ends open event streams and waiting commands; `BackendServer` calls it before it stops.
    `app.state.registry` takes further figures for `/metrics`.
    """
    metrics = Metrics(services.live)
    streams = Streams(services, metrics)
    commander = Commander(services, metrics)

    def close() -> None:
        streams.close()
        commander.close()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        close()

    app = FastAPI(
        title="tocsin",
        version=version("tocsin"),
        description=_DESCRIPTION,
        lifespan=lifespan,
        generate_unique_id_function=lambda route: route.name,
        docs_url=None,  # its scripts would come from the internet
        redoc_url=None,
        redirect_slashes=False,  # Grafana's proxy would follow a redirect to the internal address
    )
    app.state.close = close
    app.state.registry = metrics.registry
    describe(app)
    problems.install(app)
    for router in (
        alarms_router(services),
        tree_router(services),
        files_router(services),
        events_router(services),
        figures_router(services),
        past_router(services),
        over_time_router(services),
        what_if_router(services),
        commands_router(services, commander),
        stream_router(streams),
        rows_router(services),
        grafana_router(services),
        health_router(services, metrics),
        alarm_logger_router(services),
        pages_router(),
    ):
        app.include_router(router)
    app.router.routes.insert(0, info_route(services))
    # The last one added is the first that a request meets.
    app.add_middleware(Gate, security=services.security)
    app.add_middleware(Measure, metrics=metrics)
    return app
