"""Panels on generated dashboards, from the settings to what builds them. Loaded when dashboards are built (see `grafana_files`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from alarm_engine.errors import SettingsError
from backend.queries.registry import QUERIES, Query
from dashboards.kit.simple_panels import Address, Foreign, Form, Rows, SimplePanel
from tocsin.settings_panels import PanelSection


def simple_panels(panels: Sequence[PanelSection], origin: str = "") -> tuple[SimplePanel, ...]:
    """As dashboards take them; raises `SettingsError` with all that is asked of tocsin and that it cannot answer.

    `origin` stands before each fault, as `tocsin.yaml: `.
    """
    faults = [
        f"{origin}dashboards.panels.{number}.{fault}" for number, panel in enumerate(panels) if panel.rows for fault in _unknown(panel)
    ]
    if faults:
        raise SettingsError("\n".join(faults))
    return tuple(map(_simple, panels))


def _unknown(panel: PanelSection) -> Iterator[str]:
    query = QUERIES.get(panel.rows)
    if query is None:
        yield f"rows: {panel.rows!r} is no question: expected one of {', '.join(QUERIES)}"
        return
    for name in panel.parameters:
        if name not in query.parameters:
            yield f"parameters: {panel.rows} has no {name!r}: expected some of {', '.join(query.parameters)}"
    for name, kind in panel.columns.items():
        if query.columns.get(name) != kind:
            yield f"columns: {panel.rows} has no '{name}: {kind}': expected some of {_columns(query)}"


def _columns(query: Query) -> str:
    return ", ".join(f"{name}: {kind}" for name, kind in query.columns.items())


def _asks(panel: PanelSection) -> Rows | Address | Foreign | None:
    if panel.rows:
        return Rows(panel.rows, panel.parameters, ranged="from" in QUERIES[panel.rows].parameters)
    if panel.url:
        return Address(panel.url, panel.datasource, panel.root)
    return Foreign(panel.plugin, panel.datasource, panel.query) if panel.query else None


def _simple(panel: PanelSection) -> SimplePanel:
    return SimplePanel(
        title=panel.title,
        dashboard=panel.dashboard,
        form=Form(panel.kind),
        description=panel.description,
        text=panel.text,
        asks=_asks(panel),
        columns=dict(panel.columns),
        unit=panel.unit,
        width=panel.width,
        height=panel.height,
        after=panel.after,
        before=panel.before,
        config=panel.configuration,
    )
