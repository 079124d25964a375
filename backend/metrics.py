"""Figures for Prometheus: one registry for each application, and no label that grows with the number of PVs."""

from __future__ import annotations

import time
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from alarm_engine.model.severity import Severity
from backend.live import Live

_BUCKETS_S = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)


class Metrics:
    """All figures of one application."""

    def __init__(self, live: Live) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter("tocsin_http_requests", "Requests answered", ["route", "method", "status"], registry=self.registry)
        self.seconds = Histogram(
            "tocsin_http_request_seconds", "Time to the first byte", ["route"], buckets=_BUCKETS_S, registry=self.registry
        )
        self.commands = Counter("tocsin_commands", "Commands by outcome", ["command", "outcome"], registry=self.registry)
        self.streams = Gauge("tocsin_streams", "Clients that follow events", registry=self.registry)
        self.resets = Counter("tocsin_stream_resets", "Clients told to load everything anew", registry=self.registry)
        self.registry.register(_LiveCollector(live))


class _LiveCollector(Collector):
    """Reads the live trees when it is asked."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def collect(self) -> Iterable[Metric]:
        alarms = GaugeMetricFamily("tocsin_alarms", "Alarms by severity; suppressed ones by how", labels=["config", "severity"])
        stale = GaugeMetricFamily("tocsin_stale", "1: what is shown cannot be trusted", labels=["config"])
        age = GaugeMetricFamily("tocsin_engine_age_seconds", "Since the last life sign of the engine", labels=["config"])
        broken = GaugeMetricFamily("tocsin_broken_records", "Records of the journal that could not be understood", labels=["config"])
        faulty = GaugeMetricFamily("tocsin_journal_faulty", "1: the journal cannot be read, or not all of it", labels=["config"])
        problems = self._live.problems()
        refused = GaugeMetricFamily("tocsin_files_refused", "1: newer files have errors and are not in force", labels=["config"])
        drift = GaugeMetricFamily("tocsin_files_drift", "Paths that a client edited and that differ from the files", labels=["config"])
        gone = GaugeMetricFamily("tocsin_disconnected", "Alarms whose PV is not connected", labels=["config"])
        for config, tree in self._live.trees.items():
            counts, freshness = tree.root.counts, tree.freshness()
            for severity in Severity:
                alarms.add_metric([config, severity.name], counts.severities[severity])
            for name in ("unknown", "shelved", "disabled"):
                alarms.add_metric([config, name.upper()], getattr(counts, name))
            stale.add_metric([config], freshness.stale)
            if freshness.age_s is not None:
                age.add_metric([config], freshness.age_s)
            broken.add_metric([config], tree.broken)
            faulty.add_metric([config], config in problems)
            gone.add_metric([config], counts.disconnected)
            if tree.files.report is not None:
                refused.add_metric([config], tree.files.report.is_refused)
                drift.add_metric([config], tree.files.report.drift_count)
        yield from (alarms, stale, age, broken, faulty, gone, refused, drift)


class Measure:
    """ASGI middleware that counts and times requests, by route."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and note what became of it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                route = getattr(scope.get("route"), "path", "none")
                self._metrics.requests.labels(route, _method(scope["method"]), str(message["status"])).inc()
                self._metrics.seconds.labels(route).observe(time.perf_counter() - started)
            await send(message)

        await self._app(scope, receive, noting)


def _method(method: str) -> str:
    """A client may send any word as method; only known ones become a label."""
    return method if method in ("GET", "HEAD", "POST", "OPTIONS", "PUT", "DELETE", "PATCH") else "other"
