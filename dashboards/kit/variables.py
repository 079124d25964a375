"""Variables in the head line of a dashboard."""

from __future__ import annotations

from typing import Any

from alarm_engine.model.path import split
from dashboards.kit.targets import Datasource, Kind, Parameter, Query, payload, target

Json = dict[str, Any]

ALL = {"text": ["All"], "value": ["$__all"]}
OPTION = {"text": "string", "value": "string"}


def query_variable(source: Datasource, name: str, label: str, query: Query, *, multi: bool, current: Json) -> Json:
    """A choice whose options the backend gives, in its order. Read when the dashboard is opened."""
    return {
        "type": "query",
        "name": name,
        "label": label,
        "hide": 0,
        "datasource": source.ref,
        "query": _options(source, query),
        "refresh": 1,
        "sort": 0,
        "regex": "",
        "multi": multi,
        "includeAll": multi,
        "current": current,
        "options": [],
        "skipUrlSync": False,
        "allowCustomValue": not multi,
    }


def _options(source: Datasource, query: Query) -> Json:
    if source.kind is Kind.INFINITY:
        infinity = target(source, query, "variable")
        return {
            "queryType": "infinity",
            "refId": "variable",
            "infinityQuery": infinity,
            "meta": {"textField": "text", "valueField": "value"},
        }
    with_name = Query(query.name, query.columns, (*query.parameters, Parameter("target", query.name)))
    return {"query": payload(with_name), "format": "json", "refId": "variable"}


def systems(source: Datasource, config: str) -> Json:
    """Subsystems to look at. Its name differs from that of a single one, or links would hand `All` over to that."""
    query = Query("vars/systems", OPTION, (Parameter("config", config),))
    return query_variable(source, "systems", "Subsystems", query, multi=True, current=ALL)


def alarm_path(source: Datasource, config: str, first: tuple[str, str]) -> Json:
    """The alarm that a page shows; `first` is (name of the PV, path)."""
    query = Query("vars/paths", OPTION, (Parameter("config", config),))
    return query_variable(source, "path", "PV", query, multi=False, current={"text": first[0], "value": first[1]})


def component(source: Datasource, config: str, first: str) -> Json:
    """The component that a page shows; `first` is its path."""
    query = Query("vars/components", OPTION, (Parameter("config", config),))
    shown = " / ".join(split(first)[1:]) or config
    return query_variable(source, "component", "Component", query, multi=False, current={"text": shown, "value": first})


def severity() -> Json:
    """Severities to look at."""
    return {
        "type": "custom",
        "name": "severity",
        "label": "Severity",
        "hide": 0,
        "query": "MAJOR,INVALID,UNDEFINED,MINOR",
        "multi": True,
        "includeAll": True,
        "current": ALL,
        "options": [],
        "skipUrlSync": False,
        "allowCustomValue": False,
    }


def search() -> Json:
    """Text box: part of path, description or message."""
    return {
        "type": "textbox",
        "name": "q",
        "label": "Search",
        "hide": 0,
        "query": "",
        "current": {"text": "", "value": ""},
        "options": [],
        "skipUrlSync": False,
    }
