"""The simPod JSON contract: what its plugin sends and expects, without the questions behind it. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from pydantic import BaseModel, ConfigDict, Field

from alarm_engine.model.times import Nanos
from backend.queries.registry import QUERIES, Query
from backend.queries.request import PARAMETERS, Ask, BadQuestion, Row, pairs_of, read_ask

MARKER = "v"
"""Key that every payload of a generated dashboard has. The plugin turns a payload that it cannot parse silently into an empty one,
which would be an unfiltered question: without the marker it is refused."""

ENCODED = "encoded"
"""Key of an object whose values are percent-encoded: what people may type, with quotes and backslashes in it."""

_OWN_KEYS = frozenset({MARKER, ENCODED, "columns", "target"})


class TimeRange(BaseModel):
    """The range of the dashboard; only the resolved ends matter."""

    model_config = ConfigDict(extra="allow")

    start: str | int | None = Field(default=None, alias="from")
    """ISO 8601, or milliseconds since the epoch."""
    to: str | int | None = None


class Target(BaseModel):
    """One query of a panel. The plugin forwards whatever the panel has saved, so other keys are let through."""

    model_config = ConfigDict(extra="allow")

    ref_id: str = Field(default="A", alias="refId")
    target: str | int | float | None = None
    payload: dict[str, Any] | str | None = None
    hide: bool = False


class QueryBody(BaseModel):
    """Body of `/query`."""

    model_config = ConfigDict(extra="allow")

    targets: list[Target] = []
    range: TimeRange = TimeRange()
    filters: list[dict[str, Any]] = []


class VariableBody(BaseModel):
    """Body of `/variable`."""

    model_config = ConfigDict(extra="allow")

    payload: dict[str, Any] | str | None = None
    range: TimeRange | None = None


class MetricsBody(BaseModel):
    """Body of `/metrics` and `/metric-payload-options`."""

    model_config = ConfigDict(extra="allow")

    metric: str | None = None
    payload: dict[str, Any] | str | None = None
    name: str | None = None


class TagBody(BaseModel):
    """Body of `/tag-keys` and `/tag-values`."""

    model_config = ConfigDict(extra="allow")

    key: str | None = None
    queries: list[Target] = []


def payload_of(given: dict[str, Any] | str | None) -> dict[str, Any]:
    """A payload as an object (builders send objects, older dashboards texts); raises `BadQuestion`."""
    if isinstance(given, str):
        try:
            given = json.loads(given) if given.strip() else {}
        except (ValueError, RecursionError) as problem:
            raise BadQuestion(f"payload is no JSON: {problem}") from problem
    if not isinstance(given, dict | None):
        raise BadQuestion(f"payload must be a JSON object, not {type(given).__name__}")
    return given or {}


def check_marker(payload: Mapping[str, Any], where: str) -> None:
    """Refuse a payload that Grafana has lost."""
    if MARKER not in payload:
        raise BadQuestion(
            f'{where}: the payload has no marker "{MARKER}": 1; the datasource plugin drops a payload that it cannot parse, '
            "for instance after a quote in a text field"
        )


def find_query(name: object) -> Query:
    """The question of that name; raises `BadQuestion`."""
    found = QUERIES.get(str(name).replace("\\", ""))
    if found is None:
        raise BadQuestion(f"unknown query {name!r}; known: {', '.join(QUERIES)}")
    return found


def read_payload(payload: Mapping[str, Any], time_range: TimeRange | None, now: Nanos) -> Ask:
    """The question of a payload; the range of the dashboard is used where the payload has none."""
    given = {name: value for name, value in payload.items() if name not in _OWN_KEYS}
    encoded = payload.get(ENCODED, {})
    if not isinstance(encoded, dict):
        raise BadQuestion(f"{ENCODED}: expected an object of texts")
    given |= {str(name): unquote(str(value)) for name, value in encoded.items()}
    if time_range is not None:
        given = {"from": time_range.start, "to": time_range.to} | given
    return read_ask(pairs_of(given), now)


def columns_of(query: Query, payload: Mapping[str, Any]) -> dict[str, str]:
    """The columns that a payload chooses, in its order; all without a choice."""
    chosen = payload.get("columns")
    if chosen is None:
        return query.columns
    if not isinstance(chosen, list) or not all(isinstance(name, str) for name in chosen):
        raise BadQuestion("columns: expected a list of names")
    unknown = [name for name in chosen if name not in query.columns]
    if unknown:
        raise BadQuestion(f"columns: {query.name} has no {', '.join(unknown)}; it has {', '.join(query.columns)}")
    return {name: query.columns[name] for name in chosen}


def frame(ref_id: str, query: Query, columns: Mapping[str, str], rows: Sequence[Row]) -> dict[str, Any]:
    """Rows as a data frame: types are given, values are columns."""
    return {
        "schema": {"refId": ref_id, "name": query.name, "fields": [{"name": name, "type": kind} for name, kind in columns.items()]},
        "data": {"values": [[row.get(name) for row in rows] for name in columns]},
    }


def notice(ref_id: str, problem: str) -> dict[str, Any]:
    """An empty frame that carries an error: the panel shows it in its corner, other targets are not touched."""
    meta = {"notices": [{"severity": "error", "text": problem}]}
    return {"schema": {"refId": ref_id, "meta": meta, "fields": []}, "data": {"values": []}}


def metric_entry(query: Query) -> dict[str, Any]:
    """A question as the query editor offers it."""
    payloads = [_payload_field(name) for name in query.parameters if name not in ("from", "to")]
    return {"value": query.name, "label": query.title, "payloads": payloads}


_KINDS = {"config": "select", "system": "multi-select", "severity": "multi-select"}


def _payload_field(name: str) -> dict[str, Any]:
    return {"name": name, "label": name, "type": _KINDS.get(name, "input"), "placeholder": PARAMETERS[name]}
