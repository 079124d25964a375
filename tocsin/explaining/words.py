"""Words that explanations share: times as operators read them, severities, values."""

from __future__ import annotations

from datetime import datetime

from alarm_engine.model.severity import BY_NAME
from alarm_engine.model.severity import Severity as Known
from tocsin.cli.printing import span
from tocsin.client.types import Alarm, Sample, Severity

_MEANS = {
    Known.INVALID: "INVALID, its value must not be believed",
    Known.UNDEFINED: "UNDEFINED, its PV can not be read",
}
_MEANT = {
    Known.INVALID: "its value must not have been believed",
    Known.UNDEFINED: "its PV could not be read",
}
"""The same of an alarm that stands though its PV is well again."""
STALE = "alarms are NOT being evaluated, and what follows is OLD: it can not be trusted"


def clock(time: datetime, now: datetime) -> str:
    """A time of day, with the date where it is another; in the zone of `now`."""
    here = time.astimezone(now.tzinfo)
    if here.date() == now.date():
        return f"{here:%H:%M:%S}"
    return f"{here:%Y-%m-%d %H:%M:%S}"


def since(time: datetime, now: datetime) -> str:
    """`14:03:07, 12 min ago`; of one that is in the future only the time."""
    ago = (now - time).total_seconds()
    return f"{clock(time, now)}, {span(ago)} ago" if ago >= 0 else clock(time, now)


def until(time: datetime, now: datetime) -> str:
    """`14:03:07, in 12 min`."""
    ahead = (time - now).total_seconds()
    return f"{clock(time, now)}, in {span(ahead)}" if ahead > 0 else f"{clock(time, now)}, which is over"


def doubt(*, stale: bool, age_s: float | None) -> str:
    """Why an answer can not be trusted; empty if it can."""
    if not stale:
        return ""
    told = "the engine has given no life sign" if age_s is None else f"there was no life sign of the engine for {span(age_s)}"
    return f"{told[:1].upper()}{told[1:]}; {STALE}."


def known(severity: Severity) -> Known:
    """As the engine knows it; what it does not know counts as the worst."""
    return BY_NAME.get(str(severity), Known.UNDEFINED)


def base(severity: Severity) -> str:
    """Without `_ACK`."""
    return known(severity).unacknowledged.name


def meaning(severity: Severity) -> str:
    """The severity, with what it means where the name does not say it."""
    return _MEANS.get(known(severity).unacknowledged, base(severity))


def meant(severity: Severity) -> str:
    """What the severity meant when it rose, where the name does not say it; else empty."""
    return _MEANT.get(known(severity).unacknowledged, "")


def says(sample: Sample, now: datetime) -> str:
    """What the PV says: `MAJOR (HIHI_ALARM), value 12.0, since 14:03:07, 12 min ago`."""
    message = f" ({sample.message})" if sample.message not in ("", "NO_ALARM", "OK") else ""
    value = f", value {sample.value}" if sample.value else ""
    return f"{base(sample.severity)}{message}{value}, stamped {since(sample.time, now)}"


def person(user: str, host: str = "") -> str:
    """Who did something."""
    if not user:
        return "the tree itself, or somebody whose name is not known"
    return f"{user} on {host}" if host else user


def because(reason: str) -> str:
    """The reason that somebody gave, to follow what he did."""
    return f": “{reason}”" if reason else ", without a reason"


def label(alarm: Alarm) -> str:
    """The PV with what it is."""
    return f"{alarm.pv} ({alarm.description})" if alarm.description else alarm.pv
