"""`metrics.md`, from the registries as an application fills them."""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import Metric

from alarm_engine.clock import SystemClock
from alarm_engine.journal.memory import MemoryJournal
from backend.history.group import HistoryGroup
from backend.history.memory import MemoryHistory
from backend.history.shift import Shift
from backend.live import Live
from backend.metrics import Metrics
from tocsin.health import EngineFigures, HistoryFigures
from tocsin.reference.markdown import code, page, prose, table
from tocsin.settings import Settings
from tocsin.settings_sections import ConfigurationSettings
from tocsin.shadow import ShadowFigures
from tocsin.syncing import follow_options
from tocsin.tree_watch import TreeWatch


def exported() -> list[Metric]:
    """Every figure of `/metrics`, by name: what the parts register, without values."""
    journal = MemoryJournal()
    registry = Metrics(Live(journal, {}, "tocsin", SystemClock())).registry
    settings = Settings(configurations=(ConfigurationSettings(name="Site"),))
    TreeWatch(journal, [], lambda _: None, follow_options(settings, journal)).export(registry)
    registry.register(EngineFigures(lambda: None))
    registry.register(ShadowFigures(lambda: ()))
    registry.register(HistoryFigures(HistoryGroup(MemoryHistory(), None, [], _no_shift)))
    return sorted(registry.collect(), key=lambda family: family.name)


def metrics_page() -> str:
    """Every figure of `/metrics`."""
    rows = [[code(name_of(family)), family.type, family.documentation] for family in exported()]
    return page(
        "Figures for Prometheus",
        prose(
            "`GET /metrics` answers them in the text form of Prometheus: each process those of the parts that run in it. "
            "No label grows with the number of PVs."
        ),
        table(["name", "type", "meaning"], rows),
    )


def _no_shift(_: Sequence[str]) -> Shift:
    raise NotImplementedError("nothing is started for a page")


def name_of(family: Metric) -> str:
    """As a Prometheus knows it."""
    return f"{family.name}_total" if family.type == "counter" else family.name
