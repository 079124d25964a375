"""Alarm tree -> YAML in one canonical form, which loads back to an equal tree."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, timedelta, tzinfo
from zoneinfo import ZoneInfo

from alarm_engine.config.tree import ConfigTree, order
from alarm_engine.model import path as paths
from alarm_engine.model.settings import Action, AlarmSettings, Settings, TitledText
from alarm_engine.model.times import NANOS_PER_SECOND, Nanos, to_datetime

_PLAIN = re.compile(r"[A-Za-z_/(][A-Za-z0-9_:./()=+°%µ,;<>-]*(?: [A-Za-z0-9_:./()=+°%µ,;<>-]+)*")
"""Texts that need no quotes whatever reads them; `: `, ` #` and a colon at the end are looked for apart."""
_WORDS = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})
"""Some reader takes these for something else than a text."""
_BLOCK = re.compile(r"[^\s#](?:[^\n]*[^\s])?(?:\n+[^\s](?:[^\n]*[^\s])?)*\n?")
"""Texts of several lines that look the same as a block: no blanks at ends or beginnings of lines, one line break at the end at most."""
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\xa0\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")


def to_yaml(tree: ConfigTree) -> str:
    """The resolved tree: no includes, templates or defaults; fields at their default are left out."""
    zone: tzinfo = UTC if tree.time_zone == "UTC" else ZoneInfo(tree.time_zone)
    lines = [f"config: {scalar(tree.name)}"]
    if tree.time_zone != "UTC":
        lines.append(f"time_zone: {scalar(tree.time_zone)}")
    lines += _content(tree.root, tree, _children(tree), zone)
    return "\n".join(lines) + "\n"


def date(time: Nanos, zone: tzinfo) -> str:
    """A date as the files have it, with its offset, so that it also names one moment when clocks are put back."""
    local = to_datetime(time).astimezone(zone)
    offset = local.utcoffset()
    if not offset or offset % timedelta(minutes=1):
        local = local.astimezone(UTC)
    nanos = time % NANOS_PER_SECOND
    fraction = f".{nanos:09d}".rstrip("0") if nanos else ""
    return local.strftime("%Y-%m-%dT%H:%M:%S") + fraction + (local.isoformat()[-6:] if local.tzinfo is not UTC else "Z")


def scalar(text: str, indent: str = "") -> str:
    """A text as a YAML scalar; `indent` is that of its key, for texts of several lines."""
    if _PLAIN.fullmatch(text) and ": " not in text and text[-1] != ":" and text.lower() not in _WORDS:
        return text
    if "\n" in text and _BLOCK.fullmatch(text) and not _UNSAFE.search(text):
        body = "\n".join(f"{indent}  {line}" if line else "" for line in text.removesuffix("\n").split("\n"))
        return ("|" if text.endswith("\n") else "|-") + "\n" + body
    return _UNSAFE.sub(lambda match: f"\\u{ord(match.group()):04x}", json.dumps(text, ensure_ascii=False))


def _children(tree: ConfigTree) -> dict[str, list[str]]:
    """Paths directly below each component, in natural order."""
    below: dict[str, list[str]] = {path: [] for path in tree.nodes}
    for path in (*tree.nodes, *tree.alarms):
        if path != tree.root:
            below[paths.parent(path)].append(path)
    for children in below.values():
        children.sort(key=order)
    return below


def _content(path: str, tree: ConfigTree, children: dict[str, list[str]], zone: tzinfo, indent: str = "") -> Iterator[str]:
    if path in tree.ids:
        yield f"{indent}id: {scalar(tree.ids[path])}"
    yield from _lists(tree.nodes[path], indent)
    alarms = [child for child in children[path] if child in tree.alarms]
    if alarms:
        yield f"{indent}pvs:"
    for child in alarms:
        yield from _alarm(child, tree.alarms[child], zone, indent + "  ")
    components = [child for child in children[path] if child in tree.nodes]
    if components:
        yield f"{indent}systems:"
    for child in components:
        inner = list(_content(child, tree, children, zone, indent + "    "))
        yield f"{indent}  {scalar(paths.name(child))}:" + ("" if inner else " {}")
        yield from inner


def _alarm(path: str, alarm: AlarmSettings, zone: tzinfo, indent: str) -> Iterator[str]:
    inside = indent + "  "
    rest = [*_fields(alarm, zone, inside), *_lists(alarm, inside)]
    if not rest:
        yield f"{indent}{scalar(paths.name(path))}: {scalar(alarm.description, indent)}"
        return
    yield f"{indent}{scalar(paths.name(path))}:"
    yield f"{inside}description: {scalar(alarm.description, inside)}"
    yield from rest


def _fields(alarm: AlarmSettings, zone: tzinfo, indent: str) -> Iterator[str]:
    if not alarm.enabled:
        yield f"{indent}enabled: " + ("false" if alarm.enabled_at is None else date(alarm.enabled_at, zone))
    if not alarm.latching:
        yield f"{indent}latching: false"
    if not alarm.annunciating:
        yield f"{indent}annunciating: false"
    if alarm.delay_s:
        yield f"{indent}delay: {alarm.delay_s}"
    if alarm.count:
        yield f"{indent}count: {alarm.count}"
    if alarm.filter:
        yield f"{indent}filter: {scalar(alarm.filter, indent)}"


def _lists(settings: Settings, indent: str) -> Iterator[str]:
    entries: tuple[tuple[str, tuple[TitledText | Action, ...]], ...] = (
        ("guidance", settings.guidance),
        ("displays", settings.displays),
        ("commands", settings.commands),
        ("actions", settings.actions),
    )
    for name, items in entries:
        if items:
            yield f"{indent}{name}:"
        for item in items:
            inside = indent + "    "
            yield f"{indent}  - title: {scalar(item.title, inside)}"
            yield f"{inside}details: {scalar(item.details, inside)}"
            if isinstance(item, Action) and item.delay_s:
                yield f"{inside}delay: {item.delay_s}"
