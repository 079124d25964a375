"""Which dashboards a site's additions belong to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from grafanalib.core import Dashboard

from alarm_engine.model.path import canonical, is_path, split
from alarm_engine.model.subsystem import alarm_uid, browser_uid, overview_uid, view_uid
from dashboards.audit import AUDIT
from dashboards.health import HEALTH
from dashboards.history import HISTORY
from dashboards.hooks import BuildError
from dashboards.kit.additions import Addition, is_of_site, put
from dashboards.kit.layout import slots_of
from dashboards.kit.links import subsystem_tag
from dashboards.kit.site import Site
from dashboards.performance import PERFORMANCE
from dashboards.time_travel import TIME_TRAVEL
from dashboards.wall import WALL

SUBSYSTEMS = "subsystems"
_ONE_EACH = {"overview": overview_uid, "component": browser_uid, "pv": alarm_uid}
_VIEWS = (WALL, HISTORY, TIME_TRAVEL, PERFORMANCE, AUDIT, HEALTH)
NAMES = (*_ONE_EACH, SUBSYSTEMS, *_VIEWS)
"""Names of dashboards that every configuration has."""


@dataclass(frozen=True, slots=True)
class Given:
    """An addition, and where it was said: for the author of one that cannot be used."""

    origin: str
    addition: Addition


@dataclass(slots=True)
class Adding:
    """The additions to the dashboards of one configuration, and what is wrong with them."""

    site: Site
    given: Sequence[Given]
    used: set[int] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)

    def into(self, dashboards: Iterable[Dashboard]) -> Iterator[Dashboard]:
        """The dashboards with what is added to them; raises `BuildError` with all faults once the last is made."""
        misnumbered = [fault for one in self.given for fault in _id_faults(one)]
        if misnumbered:
            raise BuildError("\n".join(misnumbered))
        for dashboard in dashboards:
            places: dict[tuple[str, str], list[Given]] = {}
            for number, one in enumerate(self.given):
                if _is_for(self.site, one.addition.dashboard, dashboard):
                    self.used.add(number)
                    places.setdefault((one.addition.after, one.addition.before), []).append(one)
            yield self._with(dashboard, places.values())
        for number, one in enumerate(self.given):
            if number not in self.used and one.addition.dashboard != SUBSYSTEMS:
                self.faults.append(f"{one.origin}: {self.site.config} has no dashboard {one.addition.dashboard!r}; {self._known()}")
        if self.faults:
            raise BuildError("\n".join(dict.fromkeys(self.faults)))

    def _with(self, dashboard: Dashboard, places: Iterable[Sequence[Given]]) -> Dashboard:
        """Those of one place flow together."""
        for together in places:
            items = [item for one in together for item in one.addition.items]
            try:
                dashboard = put(dashboard, replace(together[0].addition, items=items))
            except ValueError as problem:
                self.faults += [f"{one.origin}: {problem}" for one in together]
            except LookupError as problem:
                titles = ", ".join(dict.fromkeys(repr(panel.title) for panel in dashboard.panels))
                self.faults += [f"{one.origin}: {dashboard.title!r} has no panel {problem.args[0]!r}; it has {titles}" for one in together]
        return dashboard

    def _known(self) -> str:
        paths = ", ".join(sorted(self.site.pages)[:5]) or "none has"
        return f"expected {', '.join(NAMES)}, the uid of a dashboard, or the path of a component that has one ({paths})"


def _is_for(site: Site, name: str, dashboard: Dashboard) -> bool:
    if name == SUBSYSTEMS:
        return subsystem_tag(site.config) in dashboard.tags
    if name in _ONE_EACH:
        return bool(dashboard.uid == _ONE_EACH[name](site.config))
    if name in _VIEWS:
        return bool(dashboard.uid == view_uid(site.config, name))
    if is_path(name):
        return canonical(name) in site.pages and bool(dashboard.uid == site.component_uid(canonical(name)))
    return bool(dashboard.uid == name)


def config_of(dashboard: str) -> str:
    """The configuration that the path of a component names; empty for another name of a dashboard."""
    return next(iter(split(dashboard)), "") if is_path(dashboard) else ""


def _id_faults(one: Given) -> Iterator[str]:
    for _, _, slot in (found for item in one.addition.items for found in slots_of(item)):
        panel_id = slot.panel.id
        if not isinstance(panel_id, int) or not is_of_site(panel_id):
            yield f"{one.origin}: panel {slot.panel.title!r} has the id {panel_id!r}: expected 50 to 79, which no panel of ours has"
