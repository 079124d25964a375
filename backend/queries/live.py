"""Rows about what is now: tiles, counts, active and shelved alarms, the engine.

While the engine's life sign is missing, nothing here looks calm: tiles say STALE, counts are null, lists begin with a line that says so.
An all-clear is a row of its own, never an empty list; an empty list means that what was asked for does not exist.
"""

from __future__ import annotations

from urllib.parse import quote

from alarm_engine.model.severity import Severity
from alarm_engine.model.subsystem import title
from alarm_engine.model.times import to_ms
from backend.live.model import Counts, LiveAlarm, LiveTree
from backend.live.standing import Standing, counted, standing
from backend.queries.ages import live_age_s, oldest
from backend.queries.guidance import GuidanceLinks
from backend.queries.request import Ask, Row, Sources
from backend.queries.scope import LIVE, STALE, Subsystem, age_s, alarms_of, dash_of, is_suppressed, knows, stale_note, subsystems

NO_DATA = "NO_DATA"
"""Word of a subsystem with alarms that no engine has said anything about."""

SECOND_WRITER = "SECOND WRITER"
"""Word of an engine beside which somebody else writes states."""

STALE_RANK = 9
NO_DATA_RANK = 8
_MAX_ACTIVE = 2000
_MAX_SHELVED = 2000


def systems(sources: Sources, ask: Ask) -> list[Row]:
    """A row for each subsystem: severity, counts, and the text of its tile."""
    rows: list[Row] = []
    for tree in sources.asked(ask):
        stale, age = tree.freshness().stale, live_age_s(tree)
        rows += [system_row(system, stale, age) for system in subsystems(tree, ask)]
    return rows


def system_row(system: Subsystem, stale: bool, age: float | None) -> Row:
    """How a part of a tree is, and how many seconds old that is."""
    counts = system.counts
    worst = counts.highest()
    shelved = counts.shelved + counts.disabled
    unacked = sum(counts.severities[Severity.MINOR :])
    active = sum(counts.severities[Severity.MINOR_ACK :])
    word, rank, tile = worst.name, int(worst), f"{worst.name} {unacked}/{active}"
    if worst is Severity.OK:
        tile = "OK"
        if counts.unknown:
            word, rank, tile = NO_DATA, NO_DATA_RANK, f"{NO_DATA} {counts.unknown}"
        elif shelved and shelved == counts.total:
            word = "SHELVED" if counts.shelved else "DISABLED"
            tile = f"{word} {shelved}"
    if stale:
        word, rank, tile = STALE, STALE_RANK, STALE
    figures = {
        "active": active,
        "unacked": unacked,
        "major": counts.severities[Severity.MAJOR],
        "minor": counts.severities[Severity.MINOR],
        "invalid": counts.severities[Severity.INVALID],
        "undefined": counts.severities[Severity.UNDEFINED],
        "acked": active - unacked,
        "shelved": shelved,
    }
    return {
        "system": system.title,
        "path": system.path,
        "worst": word,
        "rank": rank,
        **{name: None if stale else figure for name, figure in figures.items()},
        "unknown": counts.unknown,
        "pvs": counts.total,
        "tile": tile,
        "page": f"/a?path={quote(system.path, safe='')}",
        "dash": system.dash,
        "since": _since(system),
        "data_age": age,
    }


def _since(system: Subsystem) -> int | None:
    """When the newest of its active alarms rose."""
    times = [a.snapshot.since for a in system.alarms(notable=True) if a.snapshot and a.severity is not Severity.OK]
    return to_ms(max(times)) if times else None


def totals(sources: Sources, ask: Ask) -> list[Row]:
    """One row with the number of alarms of each severity; all null while the engine is stale, or nothing is known of any of them."""
    trees = [tree for tree in sources.asked(ask) if knows(tree, ask)]
    if not trees:
        return []
    stale = any(tree.freshness().stale for tree in trees)
    figures = dict.fromkeys(("MAJOR", "INVALID", "UNDEFINED", "MINOR", "acknowledged", "shelved"), 0)
    total = unknown = 0
    for counts in (counts for tree in trees for counts in _counts(tree, ask)):
        total, unknown = total + counts.total, unknown + counts.unknown
        for severity in (Severity.MAJOR, Severity.INVALID, Severity.UNDEFINED, Severity.MINOR):
            figures[severity.name] += counts.severities[severity]
        figures["acknowledged"] += sum(counts.severities[Severity.MINOR_ACK : Severity.MINOR])
        figures["shelved"] += counts.shelved + counts.disabled
    blind = stale or (unknown > 0 and unknown == total)
    age = oldest([live_age_s(tree) for tree in trees])
    return [{**{name: None if blind else figure for name, figure in figures.items()}, "data_age": age}]


def _counts(tree: LiveTree, ask: Ask) -> list[Counts]:
    """Counts that together cover what is asked for; they stand ready unless a text or a path narrows it."""
    if ask.text or ask.path is not None:
        return [counted(alarms_of(tree, ask, notable=True))]
    return [system.counts for system in subsystems(tree, ask)]


def active_alarms(tree: LiveTree, ask: Ask) -> list[LiveAlarm]:
    """Alarms that are active, acknowledged ones included: worst first, then newest."""
    found = [
        alarm
        for alarm in alarms_of(tree, ask, notable=True)
        if alarm.severity is not Severity.OK and not is_suppressed(alarm) and ask.wants(alarm.severity)
    ]
    return sorted(found, key=lambda alarm: (-alarm.severity, -(alarm.snapshot.since if alarm.snapshot else 0), alarm.path))


def active(sources: Sources, ask: Ask) -> list[Row]:
    """A row for each active alarm; a line of its own says that there are none, that there are more, or that the list may be old."""
    rows: list[Row] = []
    limit = ask.limit or _MAX_ACTIVE
    for tree in sources.asked(ask):
        if not knows(tree, ask):
            continue
        freshness = tree.freshness()
        found = active_alarms(tree, ask)
        if freshness.stale:
            rows.append(_note(STALE, stale_note(freshness)))
        if freshness.foreign:
            rows.append(_note(STALE, f"Second writer: {freshness.foreign}"))
        elif not found and not freshness.stale:
            rows.append(all_clear(tree, ask))
        links = GuidanceLinks(tree)
        rows += [_active_row(links, tree, alarm, sources) for alarm in found[:limit]]
        if len(found) > limit:
            rows.append(_note(found[limit].severity.name, f"and {len(found) - limit} more alarms: choose a subsystem or a severity"))
    return rows


def all_clear(tree: LiveTree, ask: Ask) -> Row:
    """The line that nothing asked for is active, unless nothing is known of some of it."""
    unknown = sum(standing(alarm) is Standing.UNKNOWN for alarm in alarms_of(tree, ask))
    if unknown:
        return _note(NO_DATA, f"No active alarms, but nothing is known yet of {unknown}")
    narrowed = bool(ask.severities or ask.text)
    return _note("OK", "No active alarm matches the filter" if narrowed else "No active alarms")


def _note(severity: str, description: str) -> Row:
    return {
        "severity": severity,
        "rank": STALE_RANK if severity in (STALE, NO_DATA) else int(Severity[severity]),
        "current": "",
        "acked": None,
        "ack_by": "",
        "age": None,
        "since": None,
        "system": "",
        "dash": "",
        "pv": "",
        "path": "",
        "description": description,
        "value": "",
        "message": "",
        "guidance": "",
        "guidance_text": "",
    }


def _active_row(links: GuidanceLinks, tree: LiveTree, alarm: LiveAlarm, sources: Sources) -> Row:
    snapshot = alarm.snapshot
    assert snapshot is not None, "only an alarm that is known can be active"
    guidance = links.url(alarm)
    return {
        "severity": alarm.severity.name,
        "rank": int(alarm.severity),
        "current": snapshot.current.severity.name,
        "acked": alarm.severity.is_acknowledged,
        "ack_by": snapshot.acknowledgement.user if snapshot.acknowledgement else "",
        "age": age_s(snapshot.since, sources),
        "since": to_ms(snapshot.since),
        "system": title(alarm.system),
        "dash": dash_of(tree, alarm.system),
        "pv": alarm.pv,
        "path": alarm.path,
        "description": spoken(alarm.settings.description),
        "value": snapshot.current.value or "–",
        "message": snapshot.alarm.message,
        "guidance": guidance,
        "guidance_text": "Guidance" if guidance else "",
    }


def spoken(description: str) -> str:
    """A description without the marks that are for annunciators (`*`, `!`)."""
    return description.removeprefix("*").removeprefix("!").strip()


def shelved(sources: Sources, ask: Ask) -> list[Row]:
    """What is shelved or out of service, by whom, why, and for how long; the soonest back first."""
    rows: list[Row] = []
    exists = False
    notes: list[Row] = []
    for tree in sources.asked(ask):
        if not knows(tree, ask):
            continue
        exists = True
        freshness = tree.freshness()
        if freshness.stale:
            notes.append({**dict.fromkeys(_SHELVED), "severity": STALE, "reason": stale_note(freshness)})
        rows += [_shelved_row(tree, alarm, sources) for alarm in alarms_of(tree, ask, notable=True) if is_suppressed(alarm)]
    rows.sort(key=lambda row: (row["left"] is None, row["left"] or 0, row["path"]))
    if exists and not rows and not notes:
        notes.append({**dict.fromkeys(_SHELVED), "reason": "Nothing is shelved or out of service"})
    limit = ask.limit or _MAX_SHELVED
    more = len(rows) - limit
    beyond: list[Row] = [{**dict.fromkeys(_SHELVED), "reason": f"and {more} more: choose a subsystem"}] if more > 0 else []
    return [*notes, *rows[:limit], *beyond]


_SHELVED = ("severity", "left", "until", "shelved", "pv", "path", "system", "dash", "by", "reason", "kind", "description")


def _shelved_row(tree: LiveTree, alarm: LiveAlarm, sources: Sources) -> Row:
    suppression = alarm.snapshot.suppression if alarm.snapshot else None
    until = suppression.until if suppression else alarm.settings.enabled_at
    return {
        "severity": alarm.snapshot.current.severity.name if alarm.snapshot else None,
        "left": None if until is None else max(0.0, round((until - sources.now) / 1e9, 1)),
        "until": None if until is None else to_ms(until),
        "shelved": to_ms(suppression.since) if suppression else None,
        "pv": alarm.pv,
        "path": alarm.path,
        "system": title(alarm.system),
        "dash": dash_of(tree, alarm.system),
        "by": suppression.user if suppression else "",
        "reason": suppression.reason if suppression else "",
        "kind": "out of service" if until is None else "shelved",
        "description": spoken(alarm.settings.description),
    }


def engine(sources: Sources, ask: Ask) -> list[Row]:
    """A row for each configuration: is its engine alive, and how is it doing."""
    return [_engine_row(tree) for tree in sources.asked(ask)]


def _engine_row(tree: LiveTree) -> Row:
    freshness = tree.freshness()
    status = freshness.status
    modes = [*(["maintenance"] if freshness.maintenance else []), *([] if freshness.notify else ["silent"])]
    return {
        "config": tree.config,
        "state": STALE if freshness.stale else SECOND_WRITER if freshness.foreign else " ".join((LIVE, *modes)),
        "age": None if freshness.age_s is None else round(freshness.age_s, 1),
        "maintenance": freshness.maintenance,
        "notify": freshness.notify,
        "leader": status.engine if status else "",
        "epoch": status.epoch if status else None,
        "connected": status.pvs_connected if status else None,
        "total": status.pvs_total if status else None,
        "disconnected": status.pvs_total - status.pvs_connected if status else None,
        "queue": status.backlog if status else None,
        "dropped": status.dropped if status else None,
        "source_age": status.source_age_ms if status else None,
        "timer_age": status.timer_age_ms if status else None,
        "evaluator_age": status.evaluator_age_ms if status else None,
        "as_of": str(freshness.as_of) if freshness.as_of else "",
    }
