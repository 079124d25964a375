"""`tocsin engine --shadow` as an application object: configurations evaluated beside the servers that own them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any

import orjson
import structlog
from fastapi import FastAPI, Response
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from alarm_engine.clock import SystemClock
from alarm_engine.errors import SettingsError
from alarm_engine.intake import Intake
from alarm_engine.journal.kafka import KafkaJournal
from alarm_engine.logic.side_by_side import Difference
from alarm_engine.model.times import iso
from alarm_engine.runner import Inputs
from alarm_engine.shadow import Shadow, ShadowSettings
from alarm_engine.shadowed import Patience
from alarm_engine.sources.port import Source
from alarm_engine.sources.shared import SharedSource
from backend.server import BackendServer
from tocsin.engine_settings import channel_access, runner_settings
from tocsin.health import health_app
from tocsin.journals import kafka_settings, patiently
from tocsin.settings import Settings
from tocsin.trees import Configuration, chosen_configurations

log = structlog.get_logger()

_LISTED = 1000
"""Standing differences that are listed of a configuration."""


class ShadowApplication:
    """Evaluates beside running alarm servers. Writes nothing to Kafka, joins no group, takes nothing over."""

    def __init__(self, settings: Settings, patience: Patience, source: Source | None = None) -> None:
        """`source`: instead of Channel Access, for tests. Raises `SettingsError` where there is no Kafka to read from."""
        if settings.journal != "kafka":
            raise SettingsError("engine --shadow evaluates beside another server, whose topics are in Kafka: set `journal: kafka`")
        self._settings = settings
        self._patience = patience
        self._source = source or channel_access(settings)
        self._journal = KafkaJournal(kafka_settings(settings))
        self._stack = AsyncExitStack()
        self._server: BackendServer | None = None
        self._reached = False
        self.shadows: list[Shadow] = []
        """One for each configuration of the settings, in their order."""

    @property
    def url(self) -> str:
        """Where machines ask; empty if nothing is served."""
        return self._server.url if self._server is not None else ""

    async def start(self) -> None:
        """Start; Kafka is waited for. Raises a `TocsinError` that says what is wrong; `stop` undoes the rest."""
        configs = chosen_configurations(self._settings.configurations, None)
        await self._serve()
        await patiently("start", self._journal.start)
        self._stack.push_async_callback(self._journal.close)
        self._reached = True
        shared = SharedSource(self._source)
        self.shadows = [self._shadow(config, shared) for config in configs]
        self._source.start(shared.deliver)
        self._stack.callback(self._source.close)
        for shadow in self.shadows:
            self._stack.push_async_callback(shadow.stop)
            shadow.start()

    async def stop(self) -> None:
        """Stop in reverse order; may be called again, and after a start that failed."""
        await self._stack.aclose()

    def failure(self) -> BaseException | None:
        """What ended a part that must not end; None while all is well."""
        failures = [shadow.failure() for shadow in self.shadows]
        failures.append(self._server.failure() if self._server is not None else None)
        return next((failure for failure in failures if failure is not None), None)

    def _shadow(self, config: Configuration, shared: SharedSource) -> Shadow:
        runner = runner_settings(self._settings, config)
        intake, share = Intake(runner.intake_bound), shared.share()
        share.sink = intake.offer
        settings = ShadowSettings(runner, config.phoebus, self._patience)
        return Shadow(settings, self._journal, Inputs(share, intake), SystemClock(), _tell)

    async def _serve(self) -> None:
        health = self._settings.health
        if health.port is None:
            return
        registry = CollectorRegistry()
        registry.register(ShadowFigures(lambda: self.shadows))
        app = health_app(registry, self._missing)
        _add_status(app, self)
        server = BackendServer(app, health.host, health.port, "health")
        await server.start()
        self._server = server
        self._stack.push_async_callback(server.stop)

    def _missing(self) -> Mapping[str, str]:
        if not self._reached:
            return {"journal": "does not answer yet"}
        return {f"shadow of {shadow.config}": shadow.problem for shadow in self.shadows if shadow.problem}

    def status(self) -> dict[str, Any]:
        """Everything that is known, for people and scripts."""
        return {"configurations": [_status(shadow) for shadow in self.shadows]}


def summary(shadows: Collection[Shadow]) -> list[str]:
    """What came of it, in sentences: one for each configuration, and one for each difference that stands."""
    lines: list[str] = []
    for shadow in shadows:
        comparison, standing = shadow.comparison, shadow.comparison.standing
        lines.append(
            f"{shadow.config}: {shadow.alarms} alarms, {shadow.connected} of them connected; {shadow.compared} states of the server "
            f"compared; {comparison.settled} differences, {len(standing)} of them stand"
        )
        lines += [f"  {_sentence(one)}, since {iso(one.since)}" for one in standing]
    return lines


def _sentence(one: Difference) -> str:
    ours = str(one.ours) if one.ours is not None else "no such alarm"
    theirs = str(one.theirs) if one.theirs is not None else "nothing"
    why = f" ({one.why})" if one.why else ""
    return f"{one.path}: we decide {ours}{why}, the server published {theirs}"


def _tell(config: str, difference: Difference, is_over: bool) -> None:
    if is_over:
        log.info("difference is over", config=config, path=difference.path, since=iso(difference.since))
    else:
        log.warning("difference", config=config, path=difference.path, what=_sentence(difference), since=iso(difference.since))


def _status(shadow: Shadow) -> dict[str, Any]:
    standing = shadow.comparison.standing
    return {
        "config": shadow.config,
        "problem": shadow.problem,
        "alarms": shadow.alarms,
        "connected": shadow.connected,
        "compared": shadow.compared,
        "differences": shadow.comparison.settled,
        "standing": len(standing),
        "blips": shadow.comparison.blips,
        "list": [_row(one) for one in standing[:_LISTED]],
    }


def _row(one: Difference) -> dict[str, Any]:
    return {
        "path": one.path,
        "ours": str(one.ours) if one.ours is not None else None,
        "theirs": str(one.theirs) if one.theirs is not None else None,
        "since": iso(one.since),
        "why": one.why,
    }


def _add_status(app: FastAPI, application: ShadowApplication) -> None:
    @app.get("/differences")
    async def differences() -> Response:
        """What differs now, with totals; at most 1,000 differences of a configuration are listed."""
        return Response(orjson.dumps(application.status()), media_type="application/json")


class ShadowFigures(Collector):
    """Read when they are asked for."""

    def __init__(self, shadows: Callable[[], Sequence[Shadow]]) -> None:
        self._shadows = shadows

    def collect(self) -> Iterable[Metric]:
        """One value for each configuration."""
        comparing = GaugeMetricFamily("tocsin_shadow_comparing", "1: our decisions are compared with the server's", labels=["config"])
        standing = GaugeMetricFamily("tocsin_shadow_differences_standing", "Differences from the server that stand now", labels=["config"])
        settled = CounterMetricFamily(
            "tocsin_shadow_differences", "Differences from the server, also those that are over", labels=["config"]
        )
        compared = CounterMetricFamily("tocsin_shadow_states", "States of the server that were compared", labels=["config"])
        alarms = GaugeMetricFamily("tocsin_shadow_alarms", "Alarms in the tree", labels=["config"])
        connected = GaugeMetricFamily("tocsin_shadow_connected", "Alarms whose PV is connected", labels=["config"])
        for shadow in self._shadows():
            labels = [shadow.config]
            comparing.add_metric(labels, not shadow.problem)
            standing.add_metric(labels, len(shadow.comparison.standing))
            settled.add_metric(labels, shadow.comparison.settled)
            compared.add_metric(labels, shadow.compared)
            alarms.add_metric(labels, shadow.alarms)
            connected.add_metric(labels, shadow.connected)
        yield from (comparing, standing, settled, compared, alarms, connected)
