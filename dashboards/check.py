"""Faults that Grafana would not report: it loads anything, and shows a wrong dashboard without a word. Pure."""

from __future__ import annotations

import difflib
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import orjson

from alarm_engine.model.palette import PALETTE
from dashboards.kit.additions import is_of_site
from dashboards.kit.layout import COLUMNS
from dashboards.kit.links import GENERATED
from dashboards.kit.targets import PLUGINS, PROMETHEUS, Kind
from dashboards.shapes import shape_faults

Json = dict[str, Any]

_USE = re.compile(r"\$\{(\w+)(?::\w+)?\}|\$(\w+)")
_FIELD = re.compile(r"\$\{__data\.fields\.(\w+)(?::\w+)?\}")
_COLOUR = re.compile(r"#[0-9A-Fa-f]{6}")
_ANY_SIGNS = ("title", "tags", "matcher", "description")
"""Keys of texts in which names of subsystems stand, with whatever signs they have."""
_MAX_ANNOTATED_ID = 255
_KNOWN = (*PLUGINS.values(), PROMETHEUS)
_MISSPELT = 0.8
"""How like a known plugin the name of another one is, from 0 to 1, to be taken for a mistake."""
_SAMPLES = {"json": '["a \\"quoted\\" one", "b"]', "percentencode": "a%20b%22"}
_FILLS = {fill for shade in PALETTE.values() for fill in (shade.fill_dark, shade.fill_light)}
_WORDS = {shade.word for shade in PALETTE.values()} | {
    "NO DATA",
    "no data",
    "NO ANSWER",
    "LIVE",
    "✓ met",
    "≈ near",
    "▲ exceeded",
    "not judged",
    "up to date",
    "serves",
    "stands by",
    "neither",
    "OLDER than the tree",
    "open",
    "✓",
    "–",
    "●",
    " ",
    "connected",
    "disconnected",
}


@dataclass(frozen=True)
class _File:
    name: str
    data: Json

    @property
    def panels(self) -> list[Json]:
        return [panel for panel in self.data.get("panels", []) if isinstance(panel, dict)]

    def is_ours(self, panel: Json) -> bool:
        """False for what a site has made: a panel that it added, or a dashboard with a uid of its own."""
        return str(self.data.get("uid")).startswith("tocsin-") and not is_of_site(panel["id"])

    @property
    def variables(self) -> set[str]:
        return {str(variable.get("name")) for variable in self.data.get("templating", {}).get("list", [])}

    @cached_property
    def texts(self) -> list[tuple[str, str]]:
        """Every text with the key that it stands under; names of columns, which may hold any signs, under `matcher`."""
        found: list[tuple[str, str]] = []
        waiting: list[tuple[str, Any]] = [("", self.data)]
        while waiting:
            key, value = waiting.pop()
            if type(value) is str:
                found.append((key, value))
            elif type(value) is dict:
                if value.get("id") == "byName":
                    found.append(("matcher", str(value.get("options"))))
                elif value.get("id") == "byNames":
                    found += [("matcher", str(name)) for name in value.get("options", {}).get("names", [])]
                else:
                    waiting += value.items()
            elif type(value) is list:
                waiting += [(key, part) for part in value]
        return found


def check(files: Mapping[str, bytes]) -> list[str]:
    """Faults of dashboard files (by name, as `build` gives them), one sentence each; empty if all is well."""
    read: list[_File] = []
    faults: list[str] = []
    for name, content in sorted(files.items()):
        try:
            data = orjson.loads(content)
        except ValueError as problem:
            faults.append(f"{name}: {problem}")
            continue
        if isinstance(data, dict):
            read.append(_File(name, data))
        else:
            faults.append(f"{name}: no JSON object")
    faults += _twins(read)
    misshapen = {file.name: list(shape_faults(file.data)) for file in read}
    known = {str(file.data.get("uid")): None if misshapen[file.name] else file for file in read}
    for file in read:
        # What has another form than Grafana knows is not looked into: everything else would be a guess.
        found = misshapen[file.name] or [*_content(file), *_links(file, known)]
        faults += [f"{file.name}: {fault}" for fault in found]
    return faults


def _content(file: _File) -> Iterator[str]:
    yield from _frame(file)
    yield from _grid(file)
    yield from _panels(file)
    yield from _variables(file)
    yield from _colours(file)
    yield from _nulls(file.data)


def _twins(files: Iterable[_File]) -> Iterator[str]:
    files = list(files)
    for what, keys in (
        ("uid", [str(file.data.get("uid")) for file in files]),
        ("title in its folder", [f"{file.name.rpartition('/')[0]}/{file.data.get('title')}" for file in files]),
    ):
        for key, number in Counter(key.casefold() for key in keys).items():
            if number > 1:
                names = [file.name for file, own in zip(files, keys, strict=True) if own.casefold() == key]
                yield f"{' and '.join(names)} have the same {what}"


def _frame(file: _File) -> Iterator[str]:
    if GENERATED not in file.data.get("tags", []):
        yield f"the tag {GENERATED} is missing: the file would never be cleared away"


def _grid(file: _File) -> Iterator[str]:
    taken: dict[tuple[int, int], int] = {}
    for panel in file.panels:
        x, y, w, h = (panel["gridPos"][key] for key in "xywh")
        if x + w > COLUMNS:
            yield f"panel {panel['id']}: {panel['gridPos']} is outside of {COLUMNS} columns"
            continue
        for cell in ((column, row) for column in range(x, x + w) for row in range(y, y + h)):
            other = taken.setdefault(cell, panel.get("id", 0))
            if other != panel.get("id"):
                yield f"panel {panel.get('id')} lies over panel {other}"
                break


def _panels(file: _File) -> Iterator[str]:
    ids = [int(panel["id"]) for panel in file.panels]
    for number, times in Counter(ids).items():
        if times > 1 or number > _MAX_ANNOTATED_ID:
            yield f"panel id {number!r}: expected one of its own from 1 to {_MAX_ANNOTATED_ID}"
    for panel in file.panels:
        name = f"panel {panel.get('id')} ({panel.get('title')})"
        refs = [target.get("refId") for target in panel.get("targets", [])]
        if len(set(refs)) != len(refs):
            yield f"{name}: expected queries with different refIds, not {refs}"
        for target in panel.get("targets", []):
            yield from (f"{name}: {fault}" for fault in _target(target, is_ours=file.is_ours(panel)))
        yield from (f"{name}: {fault}" for fault in _fields(panel))
    for annotation in file.data.get("annotations", {}).get("list", []):
        if not annotation.get("builtIn"):
            yield from (f"annotation {annotation.get('name')}: {fault}" for fault in _target(annotation.get("target", {})))


def _target(target: Json, *, is_ours: bool = True) -> Iterator[str]:
    source = target["datasource"]
    if source["type"] not in _KNOWN:
        near = difflib.get_close_matches(source["type"], _KNOWN, 1, _MISSPELT)
        if is_ours or near:
            yield f"unknown datasource {source}" + (f", did you mean {near[0]!r}?" if near else "")
    elif source["type"] == PLUGINS[Kind.JSON]:
        yield from _payload(target["payload"])


def _payload(text: str) -> Iterator[str]:
    sample = re.sub(r"\$\{\w+:(\w+)\}", lambda match: _SAMPLES.get(match.group(1), "x"), text)
    try:
        data = json.loads(sample)
    except ValueError as problem:
        yield f"the payload is no JSON once its variables are replaced ({problem}): {text}"
        return
    if not isinstance(data, dict) or data.get("v") != 1:
        yield f'the payload has no marker "v": 1: {text}'


def columns_of(target: Json) -> list[str]:
    """Columns that a query asks for."""
    if target.get("datasource", {}).get("type") == PLUGINS[Kind.INFINITY]:
        return [str(column["text"]) for column in target.get("columns", [])]
    sample = re.sub(r"\$\{\w+:(\w+)\}", lambda match: _SAMPLES.get(match.group(1), "x"), str(target.get("payload", "")))
    try:
        columns = json.loads(sample).get("columns", [])
    except ValueError:
        return []
    return [str(column) for column in columns]


def _fields(panel: Json) -> Iterator[str]:
    """Overrides, links, order and partitions name columns that the queries have (tiles: rows have become fields there)."""
    if any(target["datasource"]["type"] not in _KNOWN for target in panel.get("targets", [])):
        return  # nobody here knows what columns it has
    columns = {column for target in panel.get("targets", []) for column in columns_of(target)}
    transformations = {entry.get("id"): entry.get("options", {}) for entry in panel.get("transformations", [])}
    config = panel.get("fieldConfig", {})
    named = set(_FIELD.findall(_text(config)))
    named |= set(transformations.get("organize", {}).get("indexByName", {}))
    named |= set(transformations.get("partitionByValues", {}).get("fields", []))
    if "rowsToFields" in transformations:
        named |= {mapping["fieldName"] for mapping in transformations["rowsToFields"].get("mappings", [])}
    else:
        named |= {str(entry["matcher"]["options"]) for entry in config.get("overrides", []) if entry["matcher"]["id"] == "byName"}
    for name in sorted(named - columns):
        yield f"{name!r} is no column of its queries ({', '.join(sorted(columns))})"
    if panel.get("type") == "stat" and not config.get("defaults", {}).get("noValue"):
        yield "no noValue: what stands there while the backend does not answer?"


def _variables(file: _File) -> Iterator[str]:
    known = file.variables
    for variable in file.data.get("templating", {}).get("list", []):
        if variable.get("type") in ("switch", "snapshot"):
            yield f"variable {variable.get('name')}: the JSON datasource breaks on the type {variable['type']}"
    for key, text in file.texts:
        if "$" not in text or key in _ANY_SIGNS:
            continue
        for braced, bare in _USE.findall(text):
            name = braced or bare
            if name not in known and not name.startswith("__") and not name.isdigit():
                yield f"variable ${name} is not defined: {text[:100]!r}"


def _links(file: _File, known: Mapping[str, _File | None]) -> Iterator[str]:
    for _, text in file.texts:
        if not text.startswith("/d/"):
            continue
        url = urlsplit(text)
        uid = url.path.removeprefix("/d/")
        if uid == "${__data.fields.dash}":
            continue
        if uid not in known:
            yield f"link to a dashboard that does not exist: {text}"
            continue
        target = known[uid]
        for key, _ in parse_qsl(url.query.replace("${__url_time_range}", "")):
            if target is not None and key.startswith("var-") and key.removeprefix("var-") not in target.variables:
                yield f"link sets {key}, which {uid} does not have"


def _colours(file: _File) -> Iterator[str]:
    """Fills and words of mappings and thresholds come from the one table."""
    for panel in file.panels:
        for colour in set(_COLOUR.findall(_text(panel.get("fieldConfig", {})))) - _FILLS:
            yield f"panel {panel.get('id')}: {colour} is not in the table of colours"
        for text in _mapped(panel.get("fieldConfig", {})):
            if text.removesuffix("$1").strip(" ") not in {word.strip(" ") for word in _WORDS}:
                yield f"panel {panel.get('id')}: {text!r} is no word of the table"


def _text(config: Json) -> str:
    return orjson.dumps(config).decode()


def _mapped(config: Json) -> Iterator[str]:
    waiting: list[Any] = [config]
    while waiting:
        value = waiting.pop()
        if type(value) is dict and "index" in value and "text" in value:
            yield str(value["text"])
        waiting += [part for part in (value.values() if type(value) is dict else value) if type(part) is dict or type(part) is list]


def _nulls(data: Json) -> Iterator[str]:
    waiting: list[tuple[Any, str]] = [(data, "")]
    while waiting:
        value, where = waiting.pop()
        for key, part in value.items() if type(value) is dict else enumerate(value):
            if type(part) is dict or type(part) is list:
                waiting.append((part, f"{where}.{key}"))
            elif part is None and not (type(value) is dict and value.keys() == {"color", "value"}):
                yield f"{where}.{key} is null"
