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


def missed(root: str, talks: Sequence[Talk]) -> Talk:
    """One sentence instead of each alarm that could not be spoken in time; of what is of no alarm only where there is nothing else."""
    told = [talk for talk in talks if talk.alarms] or talks[-1:]
    if len(told) == 1:
        return told[0]
    return unspoken(root, sum(talk.alarms for talk in told), max((talk.severity for talk in told), key=PRIORITY.__getitem__))


def unspoken(root: str, number: int, worst: Severity) -> Talk:
    """One sentence of alarms of which only this is known."""
    what = (
        f"1 alarm while nobody could be told: {NAMES[worst]}"
        if number == 1
        else f"{number} alarms while nobody could be told, the worst {NAMES[worst]}"
    )
    return Talk(root, worst, f" {what}", standout=True, alarms=number)


def mass_disconnect(root: str, number: int) -> Talk:
    """One sentence instead of one for each PV of a server that went away."""
    return Talk(root, Severity.UNDEFINED, f" {number} alarms: PV disconnected", standout=True, alarms=number)
