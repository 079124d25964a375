"""YAML text -> nodes that know their line.

Built from the events of libyaml: that is several times faster than composing nodes in Python, needs no recursion, and lets us stop
*before* an alias bomb or endless nesting takes memory. Scalars stay texts; what they mean is decided by the field that they stand in, so
`details: 0044` keeps its zeros and `description: no` is a description.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

Event = Any
"""An event of the parser: the stubs of PyYAML know neither `value` nor `anchor`, and have marks optional that always are."""

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})


class Scalar:
    """A text in the file."""

    __slots__ = ("column", "line", "plain", "text")

    def __init__(self, text: str, line: int, column: int, plain: bool = True) -> None:
        self.text = text
        self.line = line
        self.column = column
        self.plain = plain
        """Written without quotes."""

    @property
    def is_null(self) -> bool:
        """Nothing is given: empty, `~` or `null`."""
        return self.plain and self.text in _NULLS


class Sequence:
    """A list in the file."""

    __slots__ = ("column", "items", "line")

    def __init__(self, line: int, column: int) -> None:
        self.line = line
        self.column = column
        self.items: list[Node] = []


class Mapping:
    """Keys with values, in the order of the file; the same key may come twice."""

    __slots__ = ("column", "entries", "line")

    def __init__(self, line: int, column: int) -> None:
        self.line = line
        self.column = column
        self.entries: list[tuple[Scalar, Node]] = []

    def get(self, key: str) -> Node | None:
        """The first value of a key."""
        return next((value for name, value in self.entries if name.text == key), None)


Node = Scalar | Sequence | Mapping


@dataclass(frozen=True, slots=True)
class TextProblem:
    """Something in the text itself that is not to be: the rest of the file is still read."""

    line: int | None
    column: int | None
    problem: str
    expected: str = ""
    value: str | None = None


class Unreadable(Exception):
    """The text cannot be read on from here."""

    def __init__(self, problem: TextProblem) -> None:
        super().__init__(problem.problem)
        self.problem = problem


@dataclass(frozen=True, slots=True)
class TextLimits:
    """What a file may hold, so that no file can eat the machine."""

    depth: int = 60
    """Levels of mappings and lists within each other."""
    nodes: int = 4_000_000
    """Texts, lists and mappings, each alias counted as what it stands for."""


def parse(data: bytes, limits: TextLimits | None = None) -> tuple[Node | None, tuple[TextProblem, ...]]:
    """The root node of a YAML text (None: nothing in it) and what is wrong with it; raises `Unreadable`."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        start = data.rfind(b"\n", 0, problem.start) + 1
        column = len(data[start : problem.start].decode("utf-8", "replace")) + 1
        line = data.count(b"\n", 0, problem.start) + 1
        byte = f"byte 0x{data[problem.start]:02X} is not UTF-8"
        raise Unreadable(TextProblem(line, column, byte, "a text file saved as UTF-8")) from problem
    builder = _Builder(limits or TextLimits())
    loader = _LOADER(text)
    try:
        while not builder.done:
            builder.take(loader.get_event())
    except yaml.reader.ReaderError as problem:
        raise Unreadable(_unprintable(text, problem)) from problem
    except yaml.MarkedYAMLError as problem:
        raise Unreadable(_syntax(text, problem)) from problem
    finally:
        loader.dispose()
    return builder.root, tuple(builder.problems)


def _syntax(text: str, error: yaml.MarkedYAMLError) -> TextProblem:
    mark = error.problem_mark or error.context_mark
    said = ", ".join(part for part in (error.context, error.problem) if part)
    if mark is None:
        return TextProblem(None, None, f"is no YAML: {said}")
    line = text.split("\n")[mark.line :][:1]
    hint = "; a tab cannot indent" if line and line[0][mark.column :].startswith("\t") else ""
    return TextProblem(mark.line + 1, mark.column + 1, f"is no YAML: {said}{hint}")


def _unprintable(text: str, error: yaml.reader.ReaderError) -> TextProblem:
    found = next(((n, c) for n, c in enumerate(text) if not _is_yaml_char(c)), None)
    if found is None:
        return TextProblem(None, None, f"is no YAML: {error.reason}")
    offset, char = found
    line = text.count("\n", 0, offset) + 1
    column = offset - text.rfind("\n", 0, offset)
    return TextProblem(line, column, f"control character U+{ord(char):04X} in the text", 'readable text (in double quotes write "\\x07")')


def _is_yaml_char(char: str) -> bool:
    return (
        char in "\t\n\r\x85"
        or " " <= char <= "~"
        or "\xa0" <= char <= "\ud7ff"
        or ("\ue000" <= char <= "\U0010ffff" and char not in "\ufffe\uffff")
    )


class _Open:
    """A list or mapping whose end has not come yet."""

    __slots__ = ("anchor", "key", "node", "start")

    def __init__(self, node: Sequence | Mapping, anchor: str | None, start: int) -> None:
        self.node = node
        self.anchor = anchor
        self.start = start
        self.key: Node | None = None


class _Builder:
    """Puts events together."""

    def __init__(self, limits: TextLimits) -> None:
        self.root: Node | None = None
        self.done = False
        self.problems: list[TextProblem] = []
        self._limits = limits
        self._stack: list[_Open] = []
        self._anchors: dict[str, tuple[Node, int] | None] = {}
        self._count = 0
        self._documents = 0

    def take(self, event: Event) -> None:
        kind = type(event)
        if kind is ScalarEvent:
            mark = event.start_mark
            node: Node = Scalar(event.value, mark.line + 1, mark.column + 1, not event.style)
            self._grow(1, event)
            if event.anchor:
                self._anchors[event.anchor] = (node, 1)
            if event.tag:
                self._tagged(event)
            self._attach(node)
        elif kind is MappingStartEvent or kind is SequenceStartEvent:
            self._begin(event)
        elif kind is MappingEndEvent or kind is SequenceEndEvent:
            ended = self._stack.pop()
            if ended.anchor:
                self._anchors[ended.anchor] = (ended.node, self._count - ended.start)
            self._attach(ended.node)
        elif kind is AliasEvent:
            self._alias(event)
        elif kind is DocumentStartEvent:
            self._documents += 1
            if self._documents > 1:
                self._note(event, "a second document begins (---)", "one document in a file")
                self.done = True
        elif kind is StreamEndEvent:
            self.done = True

    def _begin(self, event: Event) -> None:
        mark = event.start_mark
        if len(self._stack) >= self._limits.depth:
            problem = f"is nested deeper than {self._limits.depth} levels"
            raise Unreadable(TextProblem(mark.line + 1, mark.column + 1, problem, "a tree that a person can read"))
        node: Sequence | Mapping = (Mapping if type(event) is MappingStartEvent else Sequence)(mark.line + 1, mark.column + 1)
        if event.anchor:
            self._anchors[event.anchor] = None
        if event.tag:
            self._tagged(event)
        self._grow(1, event)
        self._stack.append(_Open(node, event.anchor, self._count))

    def _alias(self, event: Event) -> None:
        mark = event.start_mark
        target = self._anchors.get(event.anchor, "unknown")
        if target is None or isinstance(target, str):
            problem = "stands inside what it names" if target is None else "names no anchor above it"
            self._note(event, problem, f"an anchor &{event.anchor} that ends above", f"*{event.anchor}")
            self._attach(Scalar("", mark.line + 1, mark.column + 1))
            return
        node, size = target
        self._grow(size, event)
        self._attach(node)

    def _grow(self, size: int, event: Event) -> None:
        self._count += size
        if self._count > self._limits.nodes:
            mark = event.start_mark
            problem = f"holds more than {self._limits.nodes} entries (aliases counted as what they stand for)"
            raise Unreadable(TextProblem(mark.line + 1, mark.column + 1, problem, "a file that is split by `include`"))

    def _attach(self, node: Node) -> None:
        if not self._stack:
            self.root = node
            return
        parent = self._stack[-1]
        if isinstance(parent.node, Sequence):
            parent.node.items.append(node)
        elif parent.key is None:
            parent.key = node
        else:
            key, parent.key = parent.key, None
            if not isinstance(key, Scalar):
                self.problems.append(
                    TextProblem(key.line, key.column, "a key is a list or mapping", "a text as key (quote one that begins with [ or {)")
                )
            elif key.text == "<<" and key.plain:
                self.problems.append(
                    TextProblem(key.line, key.column, "is a merge key, which is no part of YAML 1.2", "`defaults` or a template", "<<")
                )
            else:
                parent.node.entries.append((key, node))

    def _tagged(self, event: Event) -> None:
        self._note(event, "is a tag; an alarm tree has none", "a plain or quoted text", event.tag)

    def _note(self, event: Event, problem: str, expected: str, value: str | None = None) -> None:
        mark = event.start_mark
        self.problems.append(TextProblem(mark.line + 1, mark.column + 1, problem, expected, value))
