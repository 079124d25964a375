"""What all dashboards of a configuration share, and the parameters of its questions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from alarm_engine.model.path import join
from alarm_engine.model.subsystem import component_uid, system_uid
from dashboards.kit.palette import Theme, fill, steps
from dashboards.kit.targets import Datasource, Form, Parameter, Query, target

Json = dict[str, Any]

NO_ANSWER = "NO ANSWER"
NO_DATA = "NO DATA"
SEVERITIES = ("MAJOR", "INVALID", "UNDEFINED", "MINOR")

SYSTEMS_VARIABLE = Parameter("system", "systems", Form.MANY)
SEVERITY_VARIABLE = Parameter("severity", "severity", Form.LIST)
SEARCH_VARIABLE = Parameter("q", "q", Form.ONE)
PATH_VARIABLE = Parameter("path", "path", Form.ONE)
COMPONENT_VARIABLE = Parameter("path", "component", Form.ONE)


@dataclass(frozen=True, slots=True)
class Look:
    """What a site chooses for all of its dashboards."""

    theme: Theme = Theme.DARK
    page_url: str = "http://127.0.0.1:8080"
    """Address of the operator's page, as browsers reach it."""
    refresh: str = "10s"
    """How often an open dashboard asks again; the wall asks every 5 s."""
    title: str = ""
    """Begins the titles of all dashboards, as `ALBA`; empty: they begin with the name of the configuration."""
    links: tuple[tuple[str, str], ...] = ()
    """Further buttons in the head line: (title, address)."""
    prometheus: str = ""
    """Identity of the datasource of a Prometheus that scrapes tocsin; empty: there is none."""
    archiver_url: str = ""
    """Address of the archiver appliance's viewer with `{pv}` where the name of the PV goes; empty: no link."""


@dataclass(frozen=True, slots=True)
class Site:
    """What all panels of a configuration share."""

    config: str
    source: Datasource
    look: Look = field(default_factory=Look)
    tree: str = ""
    """Shape of the tree that the dashboards are made from."""
    pages: frozenset[str] = frozenset()
    """Paths of the components that have a dashboard of their own; the others are looked at where any can be chosen."""
    ids: Mapping[str, str] = field(default_factory=dict)
    """Lasting identities of components that have one, by path."""

    @property
    def theme(self) -> Theme:
        """Colours."""
        return self.look.theme

    def component_uid(self, path: str) -> str:
        """Identity of the dashboard of a component."""
        return component_uid(self.config, path, self.ids.get(path, ""))

    def system_uid(self, system: str) -> str:
        """Identity of the dashboard of a subsystem; `""` is what stands directly below the root."""
        return self.component_uid(join(join(None, self.config), system)) if system else system_uid(self.config, "")

    def query(self, name: str, columns: dict[str, str], *parameters: Parameter, ranged: bool = False) -> Query:
        """A question about this configuration."""
        made_from = (Parameter("tree", self.tree),) if self.tree and "dash" in columns else ()
        return Query(name, columns, (Parameter("config", self.config), *made_from, *parameters), ranged)

    def head(self, panel_id: int, title: str, query: Query, description: str) -> Json:
        """What every panel has, as arguments of its class: the question, and in plain words what it means and what to do."""
        asked = [target(self.source, query)]
        return {"id": panel_id, "title": title, "description": description, "dataSource": self.source.ref, "targets": asked}

    def stale(self) -> Json:
        """Thresholds of panels that colour by mapping: what no mapping knows is loud."""
        return steps((None, fill("STALE", self.theme)))
