"""Links between dashboards, and to the operator's page."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from alarm_engine.model.path import join
from alarm_engine.model.subsystem import alarm_uid, browser_uid
from dashboards.kit.site import Site

Json = dict[str, Any]

RANGE = "${__url_time_range}"
GENERATED = "tocsin-generated"
"""Tag of every generated dashboard: only files that have it are ever removed."""


def data_link(title: str, url: str, *, new_tab: bool = False, one_click: bool = True) -> Json:
    """A link of a cell or tile; one click follows it."""
    return {"title": title, "url": url, "targetBlank": new_tab} | ({"oneClick": True} if one_click else {})


def to_dashboard(uid: str) -> str:
    """Address of a dashboard, keeping the time range."""
    return f"/d/{uid}?{RANGE}"


def to_component(site: Site, path: str) -> str:
    """Address of the dashboard of a component, keeping the time range: its own, or that where any can be chosen."""
    if path in site.pages:
        return to_dashboard(site.component_uid(path))
    return f"/d/{browser_uid(site.config)}?var-component={quote(path, safe='')}&{RANGE}"


def to_tile(site: Site, component: str) -> str:
    """Address for a tile that was not there when the dashboard was made: it is looked at where any component can be chosen.

    `component` is the path of the component that the tiles are parts of, percent-encoded.
    """
    return f"/d/{browser_uid(site.config)}?var-component={component}%2F%2F${{__field.name:percentencode}}&{RANGE}"


def to_subsystem_of_row(config: str) -> Json:
    """From a row to the dashboard of its subsystem; the row has the columns `system` and `dash`.

    Where `dash` is that of any component the variable chooses the subsystem; other dashboards do not have it and take no notice.
    """
    component = quote(join(None, config), safe="") + "%2F%2F${__data.fields.system:percentencode}"
    return data_link("Open ${__data.fields.system}", f"/d/${{__data.fields.dash}}?var-component={component}&{RANGE}")


def to_alarm_of_row(config: str) -> Json:
    """From a row to the page of its alarm; the row has the columns `pv` and `path`."""
    url = f"/d/{alarm_uid(config)}?var-path=${{__data.fields.path:percentencode}}&{RANGE}"
    return data_link("Open ${__data.fields.pv}", url)


def page_of_row(page_url: str) -> Json:
    """From a row to the operator's page at its alarm; the row has the column `path`."""
    url = f"{page_url.rstrip('/')}/a?path=${{__data.fields.path:percentencode}}"
    return data_link("Acknowledge on the operator's page", url, new_tab=True)


def page(page_url: str, path: str) -> str:
    """The operator's page at an alarm or component."""
    return f"{page_url.rstrip('/')}/a?path={quote(path, safe='')}"


def page_of_variable(page_url: str, variable: str) -> str:
    """The operator's page at the alarm that a variable names."""
    return f"{page_url.rstrip('/')}/a?path=${{{variable}:percentencode}}"


def subsystem_tag(config: str) -> str:
    """Tag of the subsystem dashboards of a configuration."""
    return f"tocsin:{config}"


def part_tag(config: str) -> str:
    """Tag of the dashboards of components further down."""
    return f"tocsin-part:{config}"


def main_tag(config: str) -> str:
    """Tag of the dashboards of a configuration that are not about one part of it."""
    return f"tocsin-main:{config}"


def _link(title: str, **special: Any) -> Json:
    return {
        "type": "link",
        "title": title,
        "url": "",
        "tags": [],
        "icon": "external link",
        "asDropdown": False,
        "includeVars": False,
        "keepTime": True,
        "targetBlank": False,
        "tooltip": "",
    } | special


def to_main(config: str) -> Json:
    """List of the dashboards of a configuration that are not about one part of it; they get variables and time."""
    return _link("Dashboards", type="dashboards", tags=[main_tag(config)], asDropdown=True, includeVars=True)


def to_subsystems(config: str) -> Json:
    """List of all subsystems in the head line."""
    return _link("Subsystems", type="dashboards", tags=[subsystem_tag(config)], asDropdown=True)


def to_page(url: str) -> Json:
    """Button that opens the operator's page."""
    return _link("Operator page", url=url, keepTime=False, targetBlank=True)


def elsewhere(title: str, url: str) -> Json:
    """Button that opens another page."""
    return _link(title, url=url, keepTime=False, targetBlank=True)


def archiver(url: str) -> list[Json]:
    """Link of a panel to the archive of the PV; `{pv}` in the address is replaced by its name."""
    if not url:
        return []
    return [{"title": "Archiver", "url": url.replace("{pv}", "${path:text}"), "targetBlank": True}]
