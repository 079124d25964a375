"""The dashboard of one component: its state, the components in it, its alarms now and over time, what is frequent, what to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from alarm_engine.model.path import name, split
from alarm_engine.model.subsystem import DIRECT, TOP_LEVEL, browser_uid, system_uid
from dashboards.kit import ages, links, state_panels, table_panels, time_panels, variables
from dashboards.kit.dashboard import GeneratedDashboard, Json, Page, generated
from dashboards.kit.layout import Slot, flow
from dashboards.kit.marks import marks
from dashboards.kit.site import COMPONENT_VARIABLE, SEARCH_VARIABLE, SEVERITY_VARIABLE, Site
from dashboards.kit.targets import Parameter

_TILES_PER_LINE = 8
_TIMELINES = 12
"""Lines that the timeline of the components has room for before it scrolls."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What a dashboard of a component is about."""

    asked: Parameter
    title: str
    whole: str
    """The question for its state."""
    parts: state_panels.Parts | None = None
    """The components in it; None: there are none for alarms that stand in no component."""
    scope: Parameter | None = None
    """Where its guidance is; None: there is none for alarms that stand in no component."""


def component(site: Site, path: str, children: Sequence[str]) -> GeneratedDashboard:
    """The dashboard of a component by its path; `children` are the paths of the components in it."""
    elements = split(path)
    asked = Parameter("path", path)
    leads_to = {name(child): links.to_component(site, child) for child in children}
    # Where it holds nothing but alarms its only tile is itself.
    itself = [one for one in (name(path), DIRECT) if one not in leads_to]
    parts = state_panels.Parts(name="components", of=quote(path, safe=""), to=leads_to, without_link=itself)
    title = " / ".join(elements[1:])
    page = Page(
        uid=site.component_uid(path),
        name=title,
        description=f"{title}: what is wrong in it, since when, how often, and what to do.",
        tags=(links.subsystem_tag(site.config),) if len(elements) == 2 else (links.part_tag(site.config),),
        path=links.page(site.look.page_url, path),
    )
    return _generated(site, page, Subject(asked, title, "component", parts, asked))


def top_level(site: Site) -> GeneratedDashboard:
    """The dashboard of the alarms directly below the root."""
    page = Page(
        uid=system_uid(site.config, ""),
        name=TOP_LEVEL,
        description="Alarms that stand in no component.",
        tags=(links.subsystem_tag(site.config),),
    )
    return _generated(site, page, Subject(Parameter("system", TOP_LEVEL), TOP_LEVEL, "systems"))


def browser(site: Site, first: str) -> GeneratedDashboard:
    """The dashboard on which any component can be chosen; `first` is the path that it shows when it is opened without one."""
    page = Page(
        uid=browser_uid(site.config),
        name="any component",
        description="Any component of the tree, at every depth: choose it above.",
        tags=(links.main_tag(site.config),),
        path=links.page_of_variable(site.look.page_url, "component"),
    )
    chosen = variables.component(site.source, site.config, first)
    parts = state_panels.Parts(name="components", of="${component:percentencode}", to={}, without_link=[DIRECT])
    return _generated(site, page, Subject(COMPONENT_VARIABLE, "${component:text}", "component", parts, COMPONENT_VARIABLE), [chosen])


def _generated(site: Site, page: Page, about: Subject, chosen: Sequence[Json] = ()) -> GeneratedDashboard:
    asked = about.asked
    items = [
        Slot(state_panels.whole_tile(site, 1, about.title, about.whole, asked), 6, 5),
        Slot(state_panels.part_counts(site, 2, about.whole, asked), 12, 5),
        Slot(state_panels.engine(site, 3), 2, 5),
        Slot(ages.age(site, 4), 2, 5),
        Slot(state_panels.generation(site, 5), 2, 5),
    ]
    if about.parts is not None:
        lines = -(-len(about.parts.to) // _TILES_PER_LINE)
        items += [
            Slot(state_panels.tiles(site, 6, about.parts, asked), 24, 1 + 4 * max(1, min(4, lines))),
            Slot(
                time_panels.timeline(site, (7, "State of the components"), "component_intervals", "system", asked),
                24,
                min(3 + max(2, len(about.parts.to)), _TIMELINES),
            ),
        ]
    items += [
        *ages.aged(site, Slot(table_panels.active(site, 8, asked, SEVERITY_VARIABLE, SEARCH_VARIABLE, with_system=False), 22, 10)),
        Slot(time_panels.timeline(site, (9, "Alarms over time"), "pv_intervals", "pv", asked), 24, 10),
        Slot(time_panels.rates(site, 10, asked), 13, 8),
        *ages.aged(site, Slot(table_panels.most_frequent(site, 11, asked), 9, 8), past=True),
    ]
    shelved = table_panels.shelved(site, 12, asked)
    if about.scope is None:
        items += ages.aged(site, Slot(shelved, 22, 8))
    else:
        items += ages.aged(site, Slot(shelved, 13, 8), Slot(table_panels.guidance(site, 13, about.scope), 9, 8))
    items += ages.aged(site, Slot(table_panels.events(site, 14, asked, SEARCH_VARIABLE), 22, 11), past=True)
    head = [*chosen, variables.severity(), variables.search()]
    return generated(site, page, flow(items), head, marks(site, asked))
