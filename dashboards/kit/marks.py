"""What is marked on everything that has a time axis."""

from __future__ import annotations

from typing import Any

from dashboards.kit.palette import fill
from dashboards.kit.site import SEVERITIES, Site
from dashboards.kit.targets import Parameter, target

Json = dict[str, Any]

COLUMNS = {"time": "time", "timeEnd": "time", "title": "string", "text": "string", "tags": "string", "id": "string"}


def marks(site: Site, *scope: Parameter) -> list[Json]:
    """Floods and maintenance, switched on; shelving and the alarms of each severity, to be switched on in the head line.

    Grafana colours annotations by their query: so there is one for each severity. All of them at once would drown the picture.
    """
    scoped = [
        ("Floods", "floods", "NEUTRAL", True, scope),
        ("Maintenance", "annotations/maintenance", "SHELVED", True, ()),
        ("Shelving", "annotations/shelving", "SHELVED", False, scope),
        *((name, "annotations/alarms", name, False, (*scope, Parameter("severity", name))) for name in SEVERITIES),
    ]
    return [
        {
            "name": name,
            "datasource": site.source.ref,
            "enable": enabled,
            "hide": False,
            "iconColor": fill(colour, site.theme),
            "target": target(site.source, site.query(question, COLUMNS, *parameters, ranged=True), "Anno", "dataframe"),
        }
        for name, question, colour, enabled, parameters in scoped
    ]
