"""What annunciators are given to say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from alarm_engine.model.severity import NAMES, PRIORITY, Severity


class Talk(NamedTuple):
    """One thing to say."""

    path: str
    severity: Severity
    text: str
    standout: bool = False
    """Spoken even when there is too much to say."""
    alarms: int = 1
    """Of how many alarms it tells; 0: of none in particular."""


def annunciation(path: str, description: str, severity: Severity) -> Talk:
    """`MAJOR Alarm: Pump 1 flow low`; a description that begins with `*` leaves the severity out, a following `!` stands out."""
    bare = description.startswith("*")
    text = description[1:] if bare else description
    standout = text.startswith("!")
    if standout:
        text = text[1:]
    return Talk(path, severity, text if bare else f"{NAMES[severity]} Alarm: {text}", standout)


def nag(root: str, severity: Severity, active: int) -> Talk:
    """Reminder that alarms are active; the blank in front is Phoebus's."""
    return Talk(root, severity, " There is 1 active alarm" if active == 1 else f" There are {active} active alarms", alarms=0)


def started(root: str) -> Talk:
    """What a server says when it takes over."""
    return Talk(root, Severity.OK, " Alarm server started. Everything is going to be all right.", alarms=0)


LATE_S = 10
"""What was to be said and could not be for longer than that is summed up: nobody can listen to minutes of alarms."""


_TOLD_AGE_S = 120
"""What is older says how old it is."""
_UNITS = ((48 * 3600, 86400, "days"), (2 * 3600, 3600, "hours"), (0, 60, "minutes"))


def missed(root: str, talks: Sequence[Talk], age_s: float = 0) -> Talk:
    """One sentence instead of each alarm that could not be spoken in time; of what is of no alarm only where there is nothing else.

    `age_s`: how long ago the first of them was raised.
    """
    told = [talk for talk in talks if talk.alarms] or talks[-1:]
    if len(told) == 1:
        (talk,) = told
        # A sentence of the whole tree says its age itself.
        return talk if age_s < _TOLD_AGE_S or talk.path == root else talk._replace(text=f"{talk.text}, {_ago(age_s)}")
    return unspoken(root, sum(talk.alarms for talk in told), max((talk.severity for talk in told), key=PRIORITY.__getitem__), age_s)


def unspoken(root: str, number: int, worst: Severity, age_s: float = 0) -> Talk:
    """One sentence of alarms of which only this is known."""
    ago = _ago(age_s) if age_s >= _TOLD_AGE_S else ""
    what = (
        f"1 alarm while nobody could be told: {NAMES[worst]}{ago and f', {ago}'}"
        if number == 1
        else f"{number} alarms while nobody could be told, the worst {NAMES[worst]}{ago and f', the first {ago}'}"
    )
    return Talk(root, worst, f" {what}", standout=True, alarms=number)


def _ago(age_s: float) -> str:
    unit_s, unit = next((unit_s, unit) for least_s, unit_s, unit in _UNITS if age_s >= least_s)
    return f"{age_s // unit_s:.0f} {unit} ago"


def mass_disconnect(root: str, number: int) -> Talk:
    """One sentence instead of one for each PV of a server that went away."""
    return Talk(root, Severity.UNDEFINED, f" {number} alarms: PV disconnected", standout=True, alarms=number)
