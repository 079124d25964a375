"""The keys that the files may hold: one table for the reader, for suggestions and for the schema of editors."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from alarm_engine.config.values import COMPONENT_ID, CONFIG_NAME

Keys = MappingProxyType[str, tuple[str, dict[str, Any]]]
"""Key -> (what it means, its JSON schema)."""


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/definitions/{name}"}


def _keys(**keys: tuple[str, dict[str, Any]]) -> Keys:
    return MappingProxyType(keys)


def _map(name: str) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": _ref(name)}


DEFAULTS: Keys = _keys(
    enabled=("true, false (out of service), or a date until which the alarm is out of service.", _ref("enabled")),
    latching=("Keep the highest severity until it is acknowledged. Default: true.", _ref("flag")),
    annunciating=("Speak when the alarm rises. Default: true.", _ref("flag")),
    delay=("How long the PV must stay in alarm before the alarm is raised: seconds, or 5s, 2min, 1h. Default: 0.", _ref("duration")),
    count=("With a delay: that many alarms within the delay raise at once. 0: off.", _ref("count")),
    filter=("Formula over PVs; the alarm is disabled while it is not above 0: 'Pump1:Run' == 1", _ref("text")),
    guidance=("What to do: for the operator who sees the alarm.", _ref("entries")),
    displays=("Operator displays to open.", _ref("entries")),
    commands=("Commands that an operator may run.", _ref("entries")),
    actions=("What the alarm sets off by itself: mailto:, cmd:, sevrpv:, infopv:.", _ref("actions")),
)
"""Fields that a node can hand down."""

ALARM: Keys = MappingProxyType(
    {"description": ("What annunciators say; a leading * leaves the severity out. Default: the name of the PV.", _ref("text"))} | DEFAULTS
)

LISTS = ("guidance", "displays", "commands", "actions")

_CONTENT = _keys(
    defaults=("Fields of all alarms below, unless an alarm or a nearer node says otherwise.", _ref("defaults")),
    pvs=("Alarms: the name of a PV and its fields, or only its description.", _map("alarm")),
    systems=("Components below: name and content.", _map("node")),
    use=("Templates to be put in here.", {"type": "array", "items": _ref("use")}),
)

NODE: Keys = MappingProxyType(
    {
        "id": (
            "Lasting identity of the component, once in the tree: with it the dashboard keeps its address when the component is renamed "
            "or moved.",
            {"anyOf": [{"type": "string", "pattern": f"^{COMPONENT_ID}$"}, _ref("macro_text")]},
        ),
        "include": (
            "File or files with more content of this node, relative to this file.",
            {"anyOf": [_ref("text"), {"type": "array", "items": _ref("text")}]},
        ),
    }
    | {name: DEFAULTS[name] for name in LISTS}
    | _CONTENT
)

TEMPLATE: Keys = MappingProxyType(
    {
        "macros": (
            "Macros of the template: name and what it stands for, or {description, default}.",
            {"type": "object", "additionalProperties": {"anyOf": [_ref("text"), {"type": "null"}, _ref("macro")]}},
        )
    }
    | _CONTENT
)

MACRO: Keys = _keys(
    description=("What the macro stands for.", _ref("text")),
    default=("Value where none is given.", _ref("text")),
)

USE: Keys = _keys(
    template=("Name of the template.", _ref("text")),
    macros=("Values of its macros.", _map("text")),
    each=(
        "Use it many times: a list of macros, or for each macro a list or a range like 1..12; several macros make every combination.",
        {
            "anyOf": [
                {"type": "array", "items": _map("text")},
                {"type": "object", "additionalProperties": {"anyOf": [_ref("text"), {"type": "array", "items": _ref("text")}]}},
            ]
        },
    ),
)

ENTRY: Keys = _keys(
    title=("Short text that is shown first. Default: first line of the details.", _ref("text")),
    details=("The text itself, the display or the command.", _ref("text")),
)

ACTION: Keys = MappingProxyType(ENTRY | {"delay": ("How long the alarm must stay active before the action runs.", _ref("duration"))})

FILE: Keys = MappingProxyType({"templates": ("Templates, to be used anywhere in the tree.", _map("template"))} | NODE)
"""Top of an included file; keys that begin with `x-` are left alone (a place for YAML anchors)."""

ROOT: Keys = MappingProxyType(
    {
        "config": (
            "Name of the configuration: the root of the tree and its Kafka topic.",
            {"type": "string", "pattern": f"^{CONFIG_NAME}$"},
        ),
        "time_zone": ("IANA zone of dates without a zone. Default: UTC.", {"type": "string"}),
    }
    | {name: FILE[name] for name in FILE if name != "id"}
)
"""Top of the first file. The root is known by the name of the configuration."""

FREE_PREFIX = "x-"
