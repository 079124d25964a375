"""Queries of panels, for either datasource: Infinity with its backend parser, or the simPod JSON plugin."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import quote

Json = dict[str, Any]


class Kind(StrEnum):
    """Which datasource plugin the dashboards ask."""

    INFINITY = "infinity"
    JSON = "json"


PLUGINS = {Kind.INFINITY: "yesoreyeram-infinity-datasource", Kind.JSON: "simpod-json-datasource"}
PROMETHEUS = "prometheus"
"""Plugin of the datasource for figures of tocsin itself, where a site has one."""
DEFAULT_UIDS = {Kind.INFINITY: "tocsin", Kind.JSON: "tocsin-json"}

MARKER = {"v": 1}
"""In every payload of the JSON plugin: the backend refuses a payload that the plugin has lost."""


@dataclass(frozen=True, slots=True)
class Datasource:
    """A datasource of Grafana."""

    kind: Kind
    uid: str

    @property
    def ref(self) -> Json:
        """As dashboards refer to it."""
        return {"type": PLUGINS[self.kind], "uid": self.uid}


class Form(StrEnum):
    """How a parameter gets its value."""

    LITERAL = "literal"
    ONE = "one"
    """A variable with one value, or a text box."""
    MANY = "many"
    """A variable with several values."""
    LIST = "list"
    """A variable with several values that hold no commas."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a query."""

    name: str
    value: str
    """The text, or the name of the variable."""
    form: Form = Form.LITERAL


@dataclass(frozen=True, slots=True)
class Query:
    """What a panel asks the backend."""

    name: str
    """Name of the question, as `active` or `pv/settings`."""
    columns: dict[str, str]
    """Type (`time`, `number`, `string`, `boolean`) of each column that the panel needs, in its order; `date` is a time as a text, which
    only other backends than ours give."""
    parameters: tuple[Parameter, ...] = ()
    ranged: bool = False
    """Asks for the time range of the dashboard."""


def _is_plain(parameter: Parameter) -> bool:
    """False for a fixed text with signs that Grafana would take for a variable: it is sent percent-encoded."""
    return parameter.form is Form.LITERAL and "$" not in parameter.value and "[[" not in parameter.value


_INFINITY_TYPES = {"time": "timestamp_epoch", "date": "timestamp", "number": "number", "string": "string", "boolean": "boolean"}


def target(source: Datasource, query: Query, ref_id: str = "A", frame_format: str = "table") -> Json:
    """The query as a panel, an annotation (`format` dataframe) or a variable has it."""
    if source.kind is Kind.INFINITY:
        return _infinity(source, query, ref_id, frame_format)
    return _simpod(source, query, ref_id)


def _infinity(source: Datasource, query: Query, ref_id: str, frame_format: str) -> Json:
    # Only `customqueryparam` brings several values over whole; it has to stand in the url.
    repeated = [f"${{{p.value}:customqueryparam:{p.name}}}" for p in query.parameters if p.form is Form.MANY]
    repeated += [f"{p.name}={quote(p.value, safe='')}" for p in query.parameters if p.form is Form.LITERAL and not _is_plain(p)]
    params = [{"key": "from", "value": "${__timeFrom}"}, {"key": "to", "value": "${__timeTo}"}] if query.ranged else []
    formats = {Form.ONE: "raw", Form.LIST: "csv"}
    for parameter in query.parameters:
        if _is_plain(parameter):
            params.append({"key": parameter.name, "value": parameter.value})
        elif parameter.form in formats:
            params.append({"key": parameter.name, "value": f"${{{parameter.value}:{formats[parameter.form]}}}"})
    return {
        "refId": ref_id,
        "datasource": source.ref,
        "type": "json",
        "parser": "backend",
        "source": "url",
        "format": frame_format,
        "url": f"/rows/{query.name}" + ("?" + "&".join(repeated) if repeated else ""),
        "url_options": {"method": "GET", "data": "", "params": params},
        "root_selector": "",
        "columns": [{"selector": name, "text": name, "type": _INFINITY_TYPES[kind]} for name, kind in query.columns.items()],
        "filters": [],
        "computed_columns": [],
        "filterExpression": "",
        "pagination_mode": "none",
    }


def _simpod(source: Datasource, query: Query, ref_id: str) -> Json:
    return {
        "refId": ref_id,
        "datasource": source.ref,
        "editorMode": "code",
        "hide": False,
        "target": query.name,
        "payload": payload(query),
    }


def payload(query: Query) -> str:
    """The parameters as the JSON plugin wants them: a text that is JSON once its variables are replaced.

    Variables that anybody may type into are percent-encoded (`encoded`): a quote in them would make the text invalid.
    """
    literal = {p.name: p.value for p in query.parameters if _is_plain(p)}
    typed = {p.name: f"${{{p.value}:percentencode}}" for p in query.parameters if p.form is Form.ONE}
    typed |= {p.name: quote(p.value, safe="") for p in query.parameters if p.form is Form.LITERAL and not _is_plain(p)}
    body = {**MARKER, **literal, "columns": list(query.columns)} | ({"encoded": typed} if typed else {})
    text = json.dumps(body, sort_keys=True, ensure_ascii=False)
    several = [f'"{p.name}": ${{{p.value}:json}}' for p in query.parameters if p.form in (Form.MANY, Form.LIST)]
    return text[:-1] + "".join(f", {one}" for one in several) + "}"
