"""Panels that a site describes in a few words of its settings: a text, or a table, lines or a number from any datasource of its Grafana."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import attr

from dashboards.kit import ages
from dashboards.kit.additions import Addition
from dashboards.kit.layout import Item, Pair, Slot
from dashboards.kit.metric_panels import Lines
from dashboards.kit.palette import fill, steps
from dashboards.kit.panels import Column, PluginPanel, Stat, Table, Text, organize
from dashboards.kit.site import NO_DATA, Site
from dashboards.kit.table_panels import right, text, when
from dashboards.kit.targets import PROMETHEUS, Datasource, Kind, Parameter, Query, target

Json = dict[str, Any]

_ANY_NUMBER = -1e300
"""What is no data has the colour of the first step of thresholds; every number is in the second."""


class Form(StrEnum):
    """What a simple panel looks like."""

    TEXT = "text"
    TABLE = "table"
    LINES = "lines"
    NUMBER = "number"


@dataclass(frozen=True, slots=True)
class Rows:
    """A question to tocsin itself, with whichever plugin the dashboards ask."""

    name: str
    """As `active` or `audit/users`."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    ranged: bool = False
    """Asks for the time range of the dashboard."""


@dataclass(frozen=True, slots=True)
class Address:
    """An address that answers JSON, asked by an Infinity datasource of the site's own."""

    url: str
    """Whole, or what follows the address of the datasource."""
    datasource: str
    """Uid."""
    root: str = ""
    """Where in the answer the list of rows is (JSONata); empty: the answer is that list."""


@dataclass(frozen=True, slots=True)
class Foreign:
    """A query of another datasource, as its plugin wants it."""

    plugin: str
    """Name of the plugin, as `prometheus`."""
    datasource: str
    """Uid."""
    query: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SimplePanel:
    """What a site says of a panel."""

    title: str
    dashboard: str
    """As in `Addition`."""
    form: Form
    description: str = ""
    text: str = ""
    """Markdown, of a text panel."""
    asks: Rows | Address | Foreign | None = None
    """None: a text panel."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """Types (`time`, `date`, `number`, `string`, `boolean`) of the columns, in the order to show; empty for another datasource."""
    unit: str = "short"
    """Unit of numbers, by Grafana's names."""
    width: int = 12
    height: int = 8
    after: str = ""
    before: str = ""
    config: str = ""
    """Name of the configuration; empty: all of them."""


def addition(site: Site, panel_id: int, said: SimplePanel) -> Addition:
    """The panel; it may use the next id too, for the age of its data."""
    panel = _panel(site, panel_id, said)
    item: Item = Slot(panel, said.width, said.height)
    if isinstance(panel, Table) and isinstance(said.asks, Rows):
        of_data = (ages.past_age if said.asks.ranged else ages.age)(site, panel_id + 1, "Data age")
        item = Pair(Slot(panel, said.width - ages.WIDTH, said.height), Slot(of_data, ages.WIDTH, said.height))
    return Addition(said.dashboard, [item], said.after, said.before)


def _panel(site: Site, panel_id: int, said: SimplePanel) -> PluginPanel:
    head: Json = {"id": panel_id, "title": said.title, "description": said.description or "A panel that this site has added."}
    if said.asks is None:
        return Text(**head, content=said.text)
    asked = _target(site, said.asks, said.columns)
    head |= {"dataSource": asked["datasource"], "targets": [asked]}
    if said.form is Form.TABLE:
        return Table(**head, columns=[_column(name, kind, said.unit) for name, kind in said.columns.items()])
    order = [organize(_time_first(said.columns))] if said.columns else []
    if said.form is Form.LINES:
        neutral = {"mode": "shades", "fixedColor": fill("NEUTRAL", site.theme)}
        defaults = {"unit": said.unit, "min": None, "color": neutral, "noValue": NO_DATA}
        return Lines(**head, defaults=defaults, transformations=order, soft_max=None)
    calm = steps((None, fill("STALE", site.theme)), (_ANY_NUMBER, fill("OK", site.theme)))
    return Stat(**head, defaults={"unit": said.unit, "noValue": NO_DATA, "thresholds": calm}, transformations=order)


def _time_first(columns: Mapping[str, str]) -> Sequence[str]:
    """Lines get one colour each only if the time is the first column."""
    return sorted(columns, key=lambda name: columns[name] not in ("time", "date"))


def _column(name: str, kind: str, unit: str) -> Column:
    if kind in ("time", "date"):
        return attr.evolve(when(name, name), kind=kind)
    return Column(name, kind, right(name, 120, unit=unit)) if kind == "number" else attr.evolve(text(name, name), kind=kind)


def _target(site: Site, asks: Rows | Address | Foreign, columns: Mapping[str, str]) -> Json:
    if isinstance(asks, Rows):
        given = [Parameter(name, value) for name, value in asks.parameters.items()]
        return target(site.source, site.query(asks.name, dict(columns), *given, ranged=asks.ranged))
    if isinstance(asks, Address):
        query = target(Datasource(Kind.INFINITY, asks.datasource), Query("", dict(columns)))
        return {**query, "url": asks.url, "root_selector": asks.root}
    given_as = {"legendFormat": "__auto", "editorMode": "code", "range": True, "instant": False} if asks.plugin == PROMETHEUS else {}
    return {**given_as, **asks.query, "refId": "A", "datasource": {"type": asks.plugin, "uid": asks.datasource}}
