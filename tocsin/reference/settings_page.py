"""`settings.md` and `settings.schema.json`, from the model of the settings."""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from tocsin.reference.markdown import code, page, prose, summary, table
from tocsin.settings import VERSION, Settings

_WORDS: dict[Any, str] = {str: "text", int: "whole number", float: "number", bool: "true or false", Path: "file name"}


def settings_page() -> str:
    """All keys with their defaults, limits and environment variables."""
    plain: list[tuple[str, FieldInfo]] = []
    sections: list[str] = []
    for name, field in Settings.model_fields.items():
        model = _model(field.annotation)
        if model is None:
            plain.append((name, field))
            continue
        sections += _sections((name,), field, model)
    return page(
        "Settings",
        prose(
            f"One YAML file of version {VERSION}; `tocsin settings check FILE` says every fault, `tocsin settings show FILE` prints what "
            "is in force. Unknown keys are refused with a suggestion. Names of files are relative to the settings file."
        ),
        prose(
            "An environment variable wins over the file: `TOCSIN_` and the name in capitals, with `__` between section and key. "
            "Lists are given as JSON: `TOCSIN_CHANNEL_ACCESS__ADDR_LIST='[\"10.0.0.255\"]'`."
        ),
        "The least that works:\n\n```yaml\nconfigurations:\n  - tree: tree.yaml\n```",
        prose("[settings.schema.json](settings.schema.json) is the JSON schema for editors; `tocsin settings schema` prints it too."),
        "## Top level\n\n" + _rows(plain, ()),
        *sections,
    )


def settings_schema() -> str:
    """The JSON schema for editors."""
    return json.dumps(Settings.model_json_schema(), indent=2) + "\n"


def _sections(place: tuple[str, ...], field: FieldInfo, model: type[BaseModel]) -> Iterator[str]:
    """A section, and those inside it."""
    inner = {name: below for name, one in model.model_fields.items() if (below := _model(one.annotation)) is not None}
    is_list = _is_list(field.annotation)
    name = ".".join(place)
    rows = _rows([one for one in model.model_fields.items() if one[0] not in inner], None if is_list else place)
    filled = "Not empty. " if any(getattr(limit, "min_length", 0) for limit in field.metadata) else ""
    note = f"{filled}As an environment variable: JSON in `{_variable(*place)}`." if is_list else ""
    yield "\n\n".join((f"## {name} (a list)" if is_list else f"## {name}", prose(f"{field.description} {note}"), rows))
    for name, below in inner.items():
        yield from _sections((*place, name), model.model_fields[name], below)


def _rows(fields: typing.Iterable[tuple[str, FieldInfo]], section: tuple[str, ...] | None) -> str:
    """`section` None: keys of list items, which have no variable of their own."""
    head = ["key", "value", "default", "meaning"] + ([] if section is None else ["environment variable"])
    rows = []
    for name, field in fields:
        row = [code(name), _value(field), _default(field), field.description or ""]
        if section is not None:
            row.append(code(_variable(*section, name)))
        rows.append(row)
    return table(head, rows)


def _variable(*parts: str) -> str:
    return "TOCSIN_" + "__".join(parts).upper()


def _default(field: FieldInfo) -> str:
    default: Any = field.get_default()
    if default is PydanticUndefined:
        return "must be given"
    if default is None or default == ():
        return "none"
    return code(json.dumps(default) if isinstance(default, bool | str) and not default else _text(default))


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _value(field: FieldInfo) -> str:
    return ", ".join((_type(field.annotation), *_limits(field)))


def _type(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " or ".join(code(_text(argument)) for argument in arguments)
    if origin is tuple:
        return f"list of {_type(arguments[0])}s"
    if origin in (types.UnionType, typing.Union):
        return " or ".join(_type(argument) for argument in arguments if argument is not type(None))
    if origin is typing.Annotated:
        return _type(arguments[0])
    if origin is dict:
        return "keys and values"
    return _WORDS.get(annotation) or summary(annotation)


def _limits(field: FieldInfo) -> Iterator[str]:
    words = {"gt": "more than", "ge": "at least", "lt": "less than", "le": "at most"}
    for limit in field.metadata:
        for name, word in words.items():
            bound = getattr(limit, name, None)
            if bound is not None:
                yield f"{word} {bound:g}" if abs(bound) < 1_000_000 else f"{word} {bound}"
        pattern = getattr(limit, "pattern", None)
        if pattern:
            yield f"as {code(pattern)}"


def _is_list(annotation: Any) -> bool:
    return get_origin(annotation) is tuple


def _model(annotation: Any) -> type[BaseModel] | None:
    for candidate in (annotation, *get_args(annotation)):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None
