"""Tables of the commands that ask the history, for so many cells of a terminal. Times are in UTC."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.table import Table
from rich.text import Text

from alarm_engine.model.path import name
from alarm_engine.model.severity import Severity
from alarm_engine.model.state import Suppression
from alarm_engine.model.times import NANOS_PER_SECOND, Nanos, iso
from backend.history.port import Interval, PastAlarm
from backend.live.model import LiveAlarm, LiveNode
from backend.past.acknowledgements import Acknowledged
from backend.past.difference import Change
from tocsin.cli.fitting import Listed, fitted, places
from tocsin.cli.printing import hidden_word, plain, severity_text

_WHOLE_SECONDS = len("2026-11-20T14:00:00")


def alarms_table(alarms: Sequence[LiveAlarm], width: int) -> Table:
    """Alarms with their states at some moment; each must have one."""
    known = [(one, one.snapshot) for one in alarms if one.snapshot is not None]
    acknowledged = [state.acknowledgement for _, state in known]
    return fitted(
        (
            Listed("severity", [severity_text(one.severity, _hidden(state.suppression)) for one, state in known]),
            _times("since (UTC)", (state.since for _, state in known), out=4),
            Listed("alarm", [plain(one.pv) for one, _ in known], out=1),
            Listed("message", [plain(state.alarm.message) for _, state in known], out=6, least=10),
            Listed("value", [plain(state.alarm.value) for _, state in known], out=5, least=8),
            Listed("acknowledged by", [plain(ack.user) if ack else "" for ack in acknowledged], out=3, short="by"),
            Listed("description", [plain(one.settings.description) for one, _ in known], out=2, least=12),
            places("path", [one.path for one, _ in known]),
        ),
        width,
    )


def parts_table(top: LiveNode, width: int) -> Table:
    """A component and those directly below it, with the counts of their alarms."""
    nodes = (top, *top.nodes.values())
    counts = [node.counts for node in nodes]
    active = [sum(one.severities[Severity.MINOR :]) for one in counts]
    acknowledged = [sum(one.severities[Severity.MINOR_ACK : Severity.MINOR]) for one in counts]
    return fitted(
        (
            Listed("", [plain(node.path) for node in nodes]),
            Listed("severity", [severity_text(node.severity) for node in nodes]),
            _figures("active", active),
            _figures("acknowledged", acknowledged, out=3, short="acked"),
            _figures("shelved", [one.shelved for one in counts], out=2),
            _figures("out of service", [one.disabled for one in counts], out=1, short="out of\nservice"),
            _figures("alarms", [one.total for one in counts], out=4),
        ),
        width,
    )


def changes_table(changes: Sequence[Change], width: int) -> Table:
    """Alarms that are not as they were."""
    last = [one.after or one.before for one in changes]
    return fitted(
        (
            Listed("change", [one.kind.value for one in changes], out=3),
            Listed("before", [_severity(one.before) for one in changes]),
            Listed("after", [_severity(one.after) for one in changes]),
            Listed("connected", ["" if one is None else _yes(one.connected) for one in last], out=1),
            _times("since (UTC)", (None if one is None else one.time for one in last), out=2),
            places("path", [one.path for one in changes]),
        ),
        width,
    )


def intervals_table(found: Sequence[Interval], width: int) -> Table:
    """Alarms over time, a row for each span."""
    severities = [severity_text(one.severity, hidden_word(for_good=one.out_of_service) if one.suppressed else "") for one in found]
    return fitted(
        (
            _times("from (UTC)", (one.start for one in found)),
            _times("to (UTC)", (one.end for one in found), out=3),
            Listed("seconds", [f"{(one.end - one.start) / NANOS_PER_SECOND:,.3f}" for one in found], out=1, right=True),
            Listed("severity", severities),
            Listed("connected", ["" if one.severity is None else _yes(one.connected) for one in found], out=2),
            places("path", [one.path for one in found]),
        ),
        width,
    )


def acknowledged_table(found: Sequence[Acknowledged], width: int) -> Table:
    """Who acknowledged what, and how soon."""
    events = [one.event for one in found]
    by = [plain(one.user or one.reason) for one in events]
    from_where = [f"{who} on {plain(one.host)}" if one.host else who for who, one in zip(by, events, strict=True)]
    return fitted(
        (
            _times("time (UTC)", (one.time for one in events)),
            Listed("after", ["–" if one.after_s is None else f"{one.after_s:,.1f} s" for one in found], out=4, right=True),
            Listed("severity", [severity_text(one.from_severity) for one in events]),
            Listed("alarm", [plain(name(one.path)) for one in events], out=1),
            Listed("by", from_where, short_cells=by),
            Listed("comment", [plain(one.comment) for one in events], out=3, least=12),
            places("path", [one.path for one in events]),
        ),
        width,
    )


def _times(title: str, times: Iterable[Nanos | None], out: int = 0) -> Listed:
    """A column of times; where it is narrow, to the second."""
    texts = ["" if time is None else iso(time) for time in times]
    return Listed(title, texts, out, short_cells=[text[:_WHOLE_SECONDS].replace("T", " ") for text in texts])


def _figures(title: str, figures: Sequence[int], out: int = 0, short: str | None = None) -> Listed:
    return Listed(title, list(map(str, figures)), out, short=short, right=True)


def _severity(alarm: PastAlarm | None) -> Text:
    if alarm is None:
        return severity_text(None)
    return severity_text(alarm.severity, hidden_word(for_good=alarm.out_of_service) if alarm.suppressed else "")


def _hidden(suppression: Suppression | None) -> str:
    return "" if suppression is None else hidden_word(for_good=suppression.until is None)


def _yes(is_so: bool) -> str:
    return "yes" if is_so else "no"
