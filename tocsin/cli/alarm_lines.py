"""Alarms as a table, for a list and for what is asked about."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from tocsin.cli.answering import current, shade, whole, whole_word
from tocsin.cli.fitting import Listed, fitted, places
from tocsin.cli.printing import badge, local, plain, span
from tocsin.client.types import Alarm


def alarm_table(alarms: Sequence[Alarm], now: float, width: int) -> Table:
    """A table of alarms in so many cells of a terminal; `now` in seconds since the epoch.

    A path is left out first, for the PV says which alarm it is; the description last of all that can be left out.
    """
    since = ["" if one.since is None else span(now - one.since.timestamp()) for one in alarms]
    columns = (
        Listed("severity", [badge(shade(one), whole_word(one)) for one in alarms]),
        Listed("PV", [plain(one.pv) for one in alarms]),
        Listed("description", [plain(one.description) for one in alarms], out=6, least=12),
        Listed("message", [plain(one.message) for one in alarms], out=5, least=12),
        Listed("value", [plain(one.value) for one in alarms], out=4, least=10),
        Listed("PV now", [plain(whole(current(one))) for one in alarms], out=2),
        Listed("since", since),
        Listed("by", [_by(one) for one in alarms], out=3, least=8),
        places("path", [one.path for one in alarms], out=1),
    )
    return fitted(columns, width)


def _by(alarm: Alarm) -> str:
    return plain(alarm.acknowledgement.user) if alarm.acknowledgement else _hidden(alarm)


def _hidden(alarm: Alarm) -> str:
    hidden = alarm.suppression
    if hidden is None:
        return ""
    until = f"until {local(hidden.until)}" if hidden.until is not None else ""
    who = " ".join(part for part in (hidden.user, until) if part)
    # What is out of service by the tree's files has neither.
    return plain(": ".join(part for part in (who, hidden.reason) if part))
