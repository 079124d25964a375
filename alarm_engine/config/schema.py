"""JSON schema of the files, for editors: completion and a first check while typing.

`config check` decides; the schema is as strict as JSON schema can say it. Draft 7 is what the YAML language server knows best.
"""

from __future__ import annotations

from typing import Any

from alarm_engine.config import keys
from alarm_engine.config.values import DATE, DURATION

_MACRO = {"type": "string", "pattern": r"\$[({]"}
"""Any field may hold a macro inside a template."""
_TEXT = {"type": ["string", "number", "boolean"]}


def _object(table: keys.Keys) -> dict[str, Any]:
    properties = {name: {"description": meaning, **_beside(form)} for name, (meaning, form) in table.items()}
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _beside(form: dict[str, Any]) -> dict[str, Any]:
    """Draft 7 ignores what stands beside `$ref`, so that goes one level down."""
    return {"allOf": [form]} if "$ref" in form else form


def _list(name: str) -> dict[str, Any]:
    one = {"anyOf": [_TEXT, {"$ref": f"#/definitions/{name}"}]}
    return {"anyOf": [*one["anyOf"], {"type": "array", "items": one, "maxItems": 100}]}


def json_schema() -> dict[str, Any]:
    """The schema of the first file and of included ones (which have no `config` and `time_zone`)."""
    count = {"type": "integer", "minimum": 0}
    node = _object(keys.NODE)
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "tocsin alarm tree",
        **_object(keys.ROOT),
        "patternProperties": {f"^{keys.FREE_PREFIX}": {"description": "Left alone: a place for YAML anchors."}},
        "definitions": {
            "text": _TEXT,
            "macro_text": _MACRO,
            "flag": {"anyOf": [{"type": "boolean"}, _MACRO]},
            "count": {"anyOf": [count, {"type": "string", "pattern": "^[0-9]{1,10}$"}, _MACRO]},
            "duration": {"anyOf": [count, {"type": "string", "pattern": rf"^\s*(?=[0-9]){_groups(DURATION)}\s*$|^[0-9]{{1,10}}$"}, _MACRO]},
            "enabled": {"anyOf": [{"type": "boolean"}, {"type": "string", "pattern": f"^{_groups(DATE)}$"}, _MACRO]},
            "entry": _object(keys.ENTRY),
            "action": _object(keys.ACTION),
            "entries": _list("entry"),
            "actions": _list("action"),
            "alarm": {"anyOf": [_TEXT, {"type": "null"}, _object(keys.ALARM)]},
            "defaults": _object(keys.DEFAULTS),
            "node": {"anyOf": [node, {"type": "null"}]},
            "macro": _object(keys.MACRO),
            "template": _object(keys.TEMPLATE),
            "use": {**_object(keys.USE), "required": ["template"]},
        },
    }


def _groups(pattern: str) -> str:
    """JSON schema has the regular expressions of ECMAScript, where digits are `[0-9]`."""
    return pattern.replace(r"\d", "[0-9]")
