"""Documents as the Phoebus alarm logger writes them, and its indices with their mappings."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from elasticsearch import AsyncElasticsearch

from alarm_engine.errors import WireError
from alarm_engine.journal.port import StoredRecord
from alarm_engine.model.times import to_datetime
from alarm_engine.wire.config import decode_config
from alarm_engine.wire.state import LeafState, decode_state

_KEYWORD = {"type": "keyword"}
_DATE = {"type": "date", "format": "yyyy-MM-dd HH:mm:ss.SSS"}
MAPPINGS: dict[str, dict[str, Any]] = {
    "state": {
        "APPLICATION-ID": {"type": "text"}, "config": _KEYWORD, "pv": _KEYWORD, "severity": _KEYWORD, "latch": {"type": "boolean"},
        "message": _KEYWORD, "value": _KEYWORD, "time": _DATE, "message_time": _DATE, "current_severity": _KEYWORD,
        "current_message": _KEYWORD, "mode": _KEYWORD,
    },
    "cmd": {
        "APPLICATION-ID": {"type": "text"}, "config": _KEYWORD, "user": _KEYWORD, "host": _KEYWORD, "command": _KEYWORD,
        "message_time": _DATE,
    },
    "config": {
        "APPLICATION-ID": {"type": "text"}, "config": _KEYWORD, "user": _KEYWORD, "host": _KEYWORD, "enabled": _KEYWORD,
        "latching": _KEYWORD, "config_msg": _KEYWORD, "message_time": _DATE,
    },
}  # fmt: skip
_DEFAULTS: dict[str, Any] = {
    "user": None, "host": None, "description": None, "delay": 0, "count": 0, "filter": None, "guidance": None, "displays": None,
    "commands": None, "actions": None, "enabled": True, "latching": True, "annunciating": True,
}  # fmt: skip


def text_of(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.") + f"{moment.microsecond // 1000:03d}"


def document(record: StoredRecord) -> tuple[str, dict[str, Any]] | None:
    """Kind of index and document of a record; None for one that the logger does not store."""
    kind = record.key.partition(":")[0]
    key = record.key.replace("\\", "")
    time = text_of(to_datetime(record.time))
    if record.value is None:
        return None
    if kind == "command":
        data = json.loads(record.value)
        return "cmd", {**{name: data[name] for name in ("user", "host", "command")}, "config": key, "message_time": time}
    if kind == "config":
        data = {name: value for name, value in json.loads(record.value).items() if name != "delete"}
        try:
            decode_config(record.value, UTC)
        except WireError:
            return None
        message = {**_DEFAULTS, **data, "config": key, "message_time": time}
        shown = {name: str(message[name]).lower() for name in ("enabled", "latching")}
        fields = {"user": data.get("user"), "host": data.get("host"), **shown}
        return "config", {"config": key, **fields, "config_msg": json.dumps(message), "message_time": time}
    if kind == "state":
        state = decode_state(record.value)
        if not isinstance(state, LeafState):
            return None
        data = json.loads(record.value)
        stamp = datetime.fromtimestamp(data["time"]["seconds"], UTC).replace(microsecond=data["time"]["nano"] // 1000)
        fields = {**data, "time": text_of(stamp), "latch": data.get("latch", False), "notify": data.get("notify", True)}
        return "state", {**fields, "config": key, "pv": key.rpartition("/")[2], "message_time": time}
    return None


def documents(records: Sequence[StoredRecord]) -> list[tuple[str, dict[str, Any]]]:
    """Those of a session; a record that stops the logger is left out."""
    found = []
    for record in records:
        try:
            one = document(record)
        except (WireError, ValueError, KeyError, TypeError):
            continue
        if one is not None:
            found.append(one)
    return found


async def fill(client: AsyncElasticsearch, config: str, stored: Sequence[tuple[str, dict[str, Any]]]) -> None:
    """Make the indices of a configuration and put documents into them."""
    names = {kind: f"{config.lower()}_alarms_{kind}_2026-11-01" for kind in MAPPINGS}
    for kind, name in names.items():
        if not await client.indices.exists(index=name):
            await client.indices.create(index=name, mappings={"properties": MAPPINGS[kind]})
    operations: list[dict[str, Any]] = []
    for kind, body in stored:
        operations += [{"index": {"_index": names[kind]}}, body]
    answer = await client.bulk(operations=operations, refresh=True)
    assert not answer["errors"], answer


async def remove(client: AsyncElasticsearch, config: str) -> None:
    names = list(await client.indices.get_settings(index=f"{config.lower()}_alarms_*", name="index.number_of_shards"))
    if names:
        await client.indices.delete(index=names)
