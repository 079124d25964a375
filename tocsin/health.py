"""What machines ask a process about itself: figures of engine and history writer, and a small application where there is no web side."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import orjson
from fastapi import FastAPI, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from alarm_engine.engine import Engine
from backend.history.group import HistoryGroup


class EngineFigures(Collector):
    """Read when they are asked for; `engine` may answer None while it starts."""

    def __init__(self, engine: Callable[[], Engine | None]) -> None:
        self._engine = engine

    def collect(self) -> Iterable[Metric]:
        """One value for each configuration."""
        serving = GaugeMetricFamily("tocsin_engine_serving", "1: this engine evaluates the configuration", labels=["config"])
        trouble = GaugeMetricFamily(
            "tocsin_engine_trouble", "1: this engine does not serve the configuration as it should; /readyz says why", labels=["config"]
        )
        standby = GaugeMetricFamily(
            "tocsin_engine_standby", "1: this engine follows the configuration and is ready to take it over", labels=["config"]
        )
        pvs = GaugeMetricFamily("tocsin_engine_pvs", "PVs that are watched", labels=["config"])
        connected = GaugeMetricFamily("tocsin_engine_pvs_connected", "PVs that are connected", labels=["config"])
        backlog = GaugeMetricFamily("tocsin_engine_backlog", "Inputs that no committed event covers", labels=["config"])
        broken = CounterMetricFamily("tocsin_engine_records_skipped", "Records that could not be understood", labels=["config"])
        lag = GaugeMetricFamily("tocsin_engine_lag_seconds", "Since the oldest input came that is not decided", labels=["config"])
        foreign = CounterMetricFamily("tocsin_engine_foreign_records", "States that somebody else wrote", labels=["config"])
        beside = GaugeMetricFamily("tocsin_engine_foreign_writer", "1: somebody else writes states of the configuration", labels=["config"])
        merged = CounterMetricFamily("tocsin_engine_inputs_merged", "Inputs merged because too many waited", labels=["config"])
        engine = self._engine()
        problems = engine.problems() if engine is not None else {}
        for holding in list(engine.holdings) if engine is not None else []:
            runner = holding.runner
            serving.add_metric([holding.config], runner is not None)
            trouble.add_metric([holding.config], holding.config in problems)
            standby.add_metric([holding.config], holding.is_warm)
            part = runner or holding.standby
            if part is None:
                continue
            status = part.status("")
            pvs.add_metric([holding.config], status.pvs_total)
            connected.add_metric([holding.config], status.pvs_connected)
            backlog.add_metric([holding.config], status.backlog)
            broken.add_metric([holding.config], part.broken)
            merged.add_metric([holding.config], status.dropped)
            lag.add_metric([holding.config], status.lag_ms / 1000)
            if runner is not None:
                foreign.add_metric([holding.config], runner.foreign.number)
                beside.add_metric([holding.config], bool(runner.foreign.text))
        yield from (serving, standby, trouble, pvs, connected, backlog, broken, merged, lag, foreign, beside)


class HistoryFigures(Collector):
    """Read when they are asked for."""

    def __init__(self, group: HistoryGroup) -> None:
        self._group = group

    def collect(self) -> Iterable[Metric]:
        """Who writes the history, how far it is behind, and what was written."""
        group, counts = self._group, self._group.counts
        serving = GaugeMetricFamily("tocsin_history_serving", "1: this process writes the history of the configuration", labels=["config"])
        standby = GaugeMetricFamily(
            "tocsin_history_standby", "1: another process writes it, and this one is ready to take over", labels=["config"]
        )
        for config in group.configs:
            serving.add_metric([config], group.serves(config))
            standby.add_metric([config], group.stands_by(config))
        yield from (serving, standby)
        yield GaugeMetricFamily(
            "tocsin_history_lag", "Records of the journal that are not yet in the history, where this process writes it", value=group.lag
        )
        yield GaugeMetricFamily(
            "tocsin_history_healthy",
            "1: the last thing that the writer tried succeeded, or it is ready to take over",
            value=not group.problem,
        )
        yield CounterMetricFamily("tocsin_history_written", "Events written to the history", value=counts.written)
        yield CounterMetricFamily("tocsin_history_failures", "Tries to read, to write or to commit that failed", value=counts.failures)
        yield CounterMetricFamily("tocsin_history_dead_letters", "Records and events put among the dead letters", value=group.failed)


def health_app(registry: CollectorRegistry, missing: Callable[[], Mapping[str, str]]) -> FastAPI:
    """`/healthz`, `/readyz`, `/metrics`, as the backend has them. `missing`: what is not there, with the reason."""
    app = FastAPI(title="tocsin", docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        """Always 200 while this process answers."""
        return {"status": "ok"}

    @app.get("/readyz")
    async def readyz() -> Response:
        """200 if nothing is missing."""
        what = dict(missing())
        return Response(orjson.dumps({"ready": not what, "missing": what}), 503 if what else 200, media_type="application/json")

    @app.get("/metrics")
    async def metrics() -> Response:
        """Text form of Prometheus."""
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return app
