"""Fields of an alarm set in the text of a tree's file: all else stays as somebody wrote it, comments and order included."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import yaml

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
Node = Any
"""A node of PyYAML, whose stubs have marks optional that always are."""


class CannotEdit(Exception):
    """The text is not one that can be edited without knowing better; says what it is."""


class _Patch(NamedTuple):
    """A part of the text, and what comes in its place."""

    start: int
    end: int
    text: str


def set_fields(text: str, line: int, pv: str, fields: Mapping[str, str]) -> str:
    """The text with fields of the alarm `pv`, whose name stands in `line`, set to texts of YAML; raises `CannotEdit`.

    The text must be one that loads.
    """
    bom = "\ufeff" * text.startswith("\ufeff")
    text = text.removeprefix(bom)
    found = [entry for entry in _entries(text) if entry[1].start_mark.line == line - 1 and entry[1].value == pv]
    if len(found) != 1:
        raise CannotEdit(f"there are {len(found)} entries {pv} in line {line}")
    parent, key, value = found[0]
    if value.start_mark.index < key.end_mark.index:
        raise CannotEdit("its fields are those of an anchor, which others may use too")
    patches = _in_mapping(text, value, fields) if isinstance(value, yaml.MappingNode) else _in_short_form(text, parent, key, value, fields)
    for patch in sorted(patches, reverse=True):
        text = text[: patch.start] + patch.text + text[patch.end :]
    return bom + text


def _entries(text: str) -> Iterator[tuple[Node, Node, Node]]:
    """Each key of the text once, with its mapping and its value."""
    waiting: list[Node] = [yaml.compose(text, Loader=_LOADER)]
    seen = set()
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            yield from ((node, key, value) for key, value in node.value)
            waiting += [value for _, value in node.value]
        elif isinstance(node, yaml.SequenceNode):
            waiting += node.value


def _in_short_form(text: str, parent: Node, key: Node, value: Node, fields: Mapping[str, str]) -> Iterator[_Patch]:
    """`PV: description` becomes a mapping."""
    start, end = value.start_mark.index, value.end_mark.index
    if not isinstance(value, yaml.ScalarNode) or not _is_short(value):
        raise CannotEdit("its description takes more than one line")
    if start == end:
        raise CannotEdit("it has no description and no fields")
    if parent.flow_style:
        yield _Patch(start, start, "{description: ")
        yield _Patch(end, end, f", {_flow(fields)}}}")
        return
    indent = " " * (key.start_mark.column + 2)
    colon = text.index(":", key.end_mark.index) + 1
    yield _Patch(colon, start, f"{_newline(text)}{indent}description: ")
    yield _lines_after(text, end, indent, fields)


def _in_mapping(text: str, mapping: Node, fields: Mapping[str, str]) -> Iterator[_Patch]:
    there = {key.value: (key, value) for key, value in mapping.value}
    missing = {name: value for name, value in fields.items() if name not in there}
    for name in fields.keys() - missing.keys():
        key, value = there[name]
        if value.start_mark.index < key.end_mark.index or not isinstance(value, yaml.ScalarNode) or not _is_short(value):
            raise CannotEdit(f"its {name} is an anchor, or takes more than one line")
        yield _Patch(value.start_mark.index, value.end_mark.index, fields[name])
    if missing:
        yield _added(text, mapping, there, missing)


def _added(text: str, mapping: Node, there: Mapping[str, tuple[Node, Node]], fields: Mapping[str, str]) -> _Patch:
    if not mapping.value:
        raise CannotEdit("it has no fields")
    if mapping.flow_style:
        _, last = mapping.value[-1]
        end = last.end_mark.index
        if end <= mapping.start_mark.index:
            raise CannotEdit("its last field is an anchor")
        return _Patch(end, end, f", {_flow(fields)}")
    first = mapping.value[0][0].start_mark
    indent = " " * first.column
    key, description = there.get("description", (None, None))
    if key is not None and key.end_mark.index < description.start_mark.index and _is_short(description):
        return _lines_after(text, description.end_mark.index, indent, fields)
    begin = first.index - first.column
    return _Patch(begin, begin, "".join(line + _newline(text) for line in _lines(indent, fields)))


def _is_short(scalar: Node) -> bool:
    return bool(scalar.start_mark.line == scalar.end_mark.line)


def _lines(indent: str, fields: Mapping[str, str]) -> list[str]:
    return [f"{indent}{name}: {value}" for name, value in fields.items()]


def _lines_after(text: str, index: int, indent: str, fields: Mapping[str, str]) -> _Patch:
    """Lines behind the one that holds a place, whatever else stands in it."""
    end = text.find("\n", index)
    newline = _newline(text)
    lines = _lines(indent, fields)
    if end < 0:
        return _Patch(len(text), len(text), "".join(newline + line for line in lines))
    return _Patch(end + 1, end + 1, "".join(line + newline for line in lines))


def _flow(fields: Mapping[str, str]) -> str:
    return ", ".join(f"{name}: {value}" for name, value in fields.items())


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"
