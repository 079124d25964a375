"""Rows about one alarm: what it is and how it is set, key by key, and its guidance."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from alarm_engine.model.path import ancestors, name
from alarm_engine.model.settings import AlarmSettings, NodeSettings, TitledText
from alarm_engine.model.subsystem import title
from alarm_engine.model.times import iso
from backend.live.model import LiveAlarm, LiveTree
from backend.live.standing import Standing, standing
from backend.queries.guidance import is_url
from backend.queries.live import spoken
from backend.queries.request import Ask, Row, Sources
from backend.queries.scope import STALE, age_s, span, stale_note, state_name

_NONE = "–"


def settings(sources: Sources, ask: Ask) -> list[Row]:
    """Keys and values of one alarm, in the order to read them (`no`). Empty for an unknown path."""
    found = _alarm(sources, ask)
    if found is None:
        return []
    tree, alarm = found
    pairs = [*_state(tree, alarm, sources), *_settings(alarm)]
    return [{"no": number, "key": key, "value": value} for number, (key, value) in enumerate(pairs)]


def _alarm(sources: Sources, ask: Ask) -> tuple[LiveTree, LiveAlarm] | None:
    for tree in sources.asked(ask):
        if ask.path is not None and ask.path in tree.alarms:
            return tree, tree.alarms[ask.path]
    return None


def _state(tree: LiveTree, alarm: LiveAlarm, sources: Sources) -> Iterator[tuple[str, str]]:
    freshness = tree.freshness()
    snapshot = alarm.snapshot
    if freshness.stale:
        yield "Severity", STALE
        yield "Warning", stale_note(freshness)
        yield "Last severity", alarm.severity.name if snapshot else _NONE
    else:
        now = standing(alarm)
        yield "Severity", "unknown" if now is Standing.UNKNOWN else state_name(now, alarm.severity)
    if snapshot is None:
        yield "Warning", "No engine has said anything about this alarm yet"
        return
    yield "Current", snapshot.current.severity.name
    yield "Message", snapshot.alarm.message or _NONE
    yield "Value", snapshot.current.value or _NONE
    yield "Time of the PV", iso(snapshot.current.time)
    yield "Connection", "connected" if snapshot.connected else "disconnected"
    yield "In this state for", span(age_s(snapshot.since, sources))
    ack, hidden = snapshot.acknowledgement, snapshot.suppression
    yield "Acknowledged by", _NONE if ack is None else _by(ack.user, ack.host, iso(ack.time), ack.reason)
    if hidden is not None:
        until = "out of service" if hidden.until is None else f"until {iso(hidden.until)}"
        yield "Shelved by", _by(hidden.user, hidden.host, until, hidden.reason)


def _by(user: str, host: str, when: str, reason: str) -> str:
    return f"{user or 'unknown'}{f' on {host}' if host else ''}, {when}" + (f": {reason}" if reason else "")


def _settings(alarm: LiveAlarm) -> Iterator[tuple[str, str]]:
    given: AlarmSettings = alarm.settings
    yield "Description", spoken(given.description) or _NONE
    yield "Subsystem", title(alarm.system)
    yield "Path", alarm.path
    yield "Latching", _yes(given.latching)
    yield "Annunciating", _yes(given.annunciating)
    yield "Delay", f"{given.delay_s} s" if given.delay_s else _NONE
    yield "Count", f"{given.count} in {given.delay_s} s" if given.count else _NONE
    yield "Filter", given.filter or _NONE
    yield "Enabled", _yes(given.enabled) if given.enabled_at is None else f"again at {iso(given.enabled_at)}"


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def guidance(sources: Sources, ask: Ask) -> list[Row]:
    """What to do about an alarm or a component: its own texts and displays, then those above it. Empty for an unknown path."""
    for tree in sources.asked(ask):
        if ask.path is not None and (ask.path in tree.alarms or ask.path in tree.nodes):
            return _guidance(tree, ask.path)
    return []


def _guidance(tree: LiveTree, path: str) -> list[Row]:
    own: AlarmSettings | NodeSettings = tree.alarms[path].settings if path in tree.alarms else tree.nodes[path].settings
    texts: list[tuple[str, TitledText]] = _texts("", own.guidance, own.displays)
    for above in ancestors(path):
        if above in tree.nodes:
            node = tree.nodes[above].settings
            texts += _texts(f"{name(above)}: ", node.guidance, node.displays)
    rows: list[Row] = []
    for number, (prefix, text) in enumerate(texts):
        link = text.details.strip() if is_url(text.details) else ""
        rows.append({"no": number, "key": prefix + text.title, "value": text.details, "link": link, "link_text": "Open" if link else ""})
    return rows or [{"no": 0, "key": "Guidance", "value": "No guidance is written here", "link": "", "link_text": ""}]


def _texts(prefix: str, *groups: Iterable[TitledText]) -> list[tuple[str, TitledText]]:
    return [(prefix, text) for group in groups for text in group]
