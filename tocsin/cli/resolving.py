"""From what somebody typed to paths: a path, the name of a PV or component, or a pattern."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from alarm_engine.errors import TocsinError
from alarm_engine.model.path import canonical, is_path, name, split
from tocsin.cli.command_words import few
from tocsin.cli.printing import plain
from tocsin.client import Client
from tocsin.client.errors import ClientError, NotFound
from tocsin.client.types import Alarm, AlarmList, Node

_MOST_LOOKED_AT = 10_000
"""Names among which what was meant is looked for."""


class NotOne(TocsinError):
    """A text that does not name one alarm or component; the message says what there is."""


@dataclass(frozen=True, slots=True)
class Matching:
    """The alarms that a pattern names."""

    pattern: str
    alarms: tuple[Alarm, ...]
    answer: AlarmList
    """What they were looked for in."""


def is_pattern(text: str) -> bool:
    """True for a text with wild cards."""
    return "*" in text or "?" in text


def resolve(client: Client, text: str, config: str | None = None) -> str:
    """The path of the one alarm or component that a text names: a path, or a name. Raises `NotOne`.

    A path is taken as it is: whether there is such a thing the server says.
    """
    if text.startswith("/"):
        if not is_path(text) or not split(text):
            raise NotOne(f"{plain(text)} is no path: expected one as /CONFIG/SYSTEM/.../PV")
        return canonical(text)
    found = [alarm.path for alarm in client.alarms(state="all", text=text, config=config).alarms if alarm.pv == text]
    found = found or [path for path in _components(client, config) if name(path) == text]
    if len(found) == 1:
        return found[0]
    if found:
        raise NotOne(f"{plain(text)} is in the tree {len(found)} times: say which by its path: {few(found)}")
    raise NotOne(f"{plain(text)} is no PV and no component of the alarm tree{meant(client, text, config)}")


def matching(client: Client, pattern: str, config: str | None = None) -> Matching:
    """The alarms whose path or, without a slash, whose PV a pattern with `*` and `?` names."""
    words = " ".join(word for word in re.split(r"[*?\s]+", pattern) if word)
    answer = client.alarms(state="all", text=words or None, config=config)
    wanted = expression(pattern)
    found = tuple(one for one in answer.alarms if wanted.fullmatch(one.path if pattern.startswith("/") else one.pv))
    return Matching(pattern, found, answer)


def expression(pattern: str) -> re.Pattern[str]:
    """What a pattern with `*` and `?` matches as a whole."""
    parts = re.split(r"([*?])", pattern)
    return re.compile("".join({"*": ".*", "?": "."}.get(part, re.escape(part)) for part in parts))


def meant(client: Client, text: str, config: str | None = None) -> str:
    """What may have been meant by a name or path that is not there, as the end of a sentence; empty if nothing is near."""
    known = [alarm.path for alarm in client.alarms(state="all", limit=_MOST_LOOKED_AT, config=config).alarms]
    if text in known or text in map(name, known):  # it is there, and no component
        return f": `tocsin explain '{plain(text)}'` tells of it"
    known += _components(client, config)
    by_name: dict[str, list[str]] = {}
    for path in known:
        by_name.setdefault(name(path).casefold(), []).append(path)
    if text.startswith("/"):
        near = difflib.get_close_matches(text, known, n=3, cutoff=0.75)
        near = near or by_name.get(split(text)[-1].casefold() if split(text) else "", [])
    else:
        near = [path for one in difflib.get_close_matches(text.casefold(), list(by_name), n=3, cutoff=0.6) for path in by_name[one]]
    return f"; did you mean {' or '.join(map(plain, near[:3]))}?" if near else ""


@contextmanager
def hinting(client: Client, text: str | None, config: str | None = None) -> Iterator[None]:
    """Where the server says that there is no such thing, say also what may have been meant."""
    try:
        yield
    except NotFound as problem:
        if text is None:
            raise
        try:
            hint = meant(client, text, config)
        except ClientError:
            raise problem from None
        raise NotOne(f"{problem}{hint}") from problem


def _components(client: Client, config: str | None) -> list[str]:
    names = [config] if config is not None else [one.name for one in client.configurations()]
    return [path for one in names for path in _paths([client.tree(config=one, depth=100).root])]


def _paths(nodes: Iterable[Node]) -> Iterator[str]:
    for node in nodes:
        yield node.path
        yield from _paths(node.nodes or ())
