"""What Grafana does with the queries of a dashboard: variables and macros replaced, requests sent as each plugin sends them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, quote_plus

import httpx

from alarm_engine.model.times import iso, to_ms
from dashboards.kit.targets import PLUGINS, Kind

Json = dict[str, Any]
BASE = "http://127.0.0.1/grafana"


@dataclass
class Grafana:
    """A browser with a dashboard open."""

    client: httpx.AsyncClient
    start: int
    """Nanoseconds."""
    end: int
    variables: dict[str, str | list[str]] = field(default_factory=dict)

    async def rows(self, target: Json, dashboard: Json) -> tuple[list[str], list[Json]]:
        """Columns and rows that a panel gets."""
        if target["datasource"]["type"] == PLUGINS[Kind.INFINITY]:
            return await self._infinity(target)
        return await self._simpod(target, dashboard)

    async def options(self, variable: Json) -> list[Json]:
        """Options of a query variable."""
        query = variable["query"]
        if variable["datasource"]["type"] == PLUGINS[Kind.INFINITY]:
            meta = query["meta"]
            columns, rows = await self._infinity(query["infinityQuery"])
            assert {meta["textField"], meta["valueField"]} <= set(columns)
            return [{"text": row[meta["textField"]], "value": row[meta["valueField"]]} for row in rows]
        assert query["format"] == "json"
        body = {"payload": self._payload(query["query"]), "range": self._range()}
        answer = await self.client.post(f"{BASE}/variable", json=body)
        assert answer.status_code == 200, answer.text
        return [{"text": row["__text"], "value": row["__value"]} for row in answer.json()]

    async def _infinity(self, target: Json) -> tuple[list[str], list[Json]]:
        url = BASE + self._replace(target["url"])
        params = [(one["key"], self._replace(one["value"])) for one in target["url_options"]["params"]]
        separator = "&" if "?" in url else "?"
        answer = await self.client.get(url + separator + "&".join(f"{quote_plus(key)}={quote_plus(value)}" for key, value in params))
        assert answer.status_code == 200, answer.text
        found = answer.json()
        assert isinstance(found, list)
        columns = {column["text"]: column for column in target["columns"]}
        for row in found:
            for column in columns.values():
                assert column["selector"] in row, f"{target['url']} has no {column['selector']}: {row}"
                _check_type(column["type"], row[column["selector"]], target)
        rows = [{name: row[column["selector"]] for name, column in columns.items()} for row in found]
        # The backend parser gives columns sorted by name, and none at all for an empty list.
        return sorted(columns) if rows else [], rows

    async def _simpod(self, target: Json, dashboard: Json) -> tuple[list[str], list[Json]]:
        body = {
            "app": "dashboard",
            "requestId": "SQR104",
            "timezone": "browser",
            "range": self._range(),
            "rangeRaw": {"from": "now-6h", "to": "now"},
            "interval": "20s",
            "intervalMs": 20_000,
            "maxDataPoints": 1080,
            "startTime": to_ms(self.end),
            "targets": [{**target, "payload": self._payload(target["payload"])}],
            "scopedVars": {"undefined": {"selected": False, "text": "x", "value": "x"}},
            "dashboardUID": dashboard["uid"],
            "panelId": 3,
        }
        answer = await self.client.post(f"{BASE}/query", json=body)
        assert answer.status_code == 200, answer.text
        (frame,) = answer.json()
        schema = frame["schema"]
        assert schema["refId"] == target["refId"]
        assert "meta" not in schema, schema
        names = [one["name"] for one in schema["fields"]]
        for one, values in zip(schema["fields"], frame["data"]["values"], strict=True):
            for value in values:
                _check_type({"time": "timestamp_epoch"}.get(one["type"], one["type"]), value, target)
        return names, [dict(zip(names, row, strict=True)) for row in zip(*frame["data"]["values"], strict=True)]

    def _range(self) -> Json:
        ends = {"from": iso(self.start), "to": iso(self.end)}
        return {**ends, "raw": {"from": "now-6h", "to": "now"}}

    def _payload(self, text: str) -> Json:
        """The plugin drops what it cannot parse."""
        try:
            found = json.loads(self._replace(text))
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    def _replace(self, text: str) -> str:
        text = text.replace("${__timeFrom}", str(to_ms(self.start))).replace("${__timeTo}", str(to_ms(self.end)))
        return re.sub(r"\$\{(\w+):(\w+)(?::(\w+))?\}", self._variable, text)

    def _variable(self, match: re.Match[str]) -> str:
        name, form, key = match.groups()
        value = self.variables[name]
        several = value if isinstance(value, list) else [value]
        match form:
            case "customqueryparam":
                return "&".join(f"{key}={quote(one, safe='')}" for one in several)
            case "csv" | "raw":
                return ",".join(several)
            case "json":
                return json.dumps(value) if isinstance(value, list) else value
            case "percentencode":
                assert isinstance(value, str)
                return quote(value, safe="")
        raise AssertionError(f"unexpected form {form}")


_TYPES: dict[str, tuple[type, ...]] = {"timestamp_epoch": (int,), "number": (int, float), "string": (str,), "boolean": (bool,)}


def _check_type(kind: str, value: object, target: Json) -> None:
    assert value is None or (isinstance(value, _TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))), (kind, value, target)
