"""What an explanation is made of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Reason:
    """One cause of how things are."""

    code: str
    """For programs, in the list of `docs/how-to/explain-an-alarm.md`: `latched`."""
    text: str
    """For people: a sentence, or a few."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting that matters for it."""

    name: str
    value: str
    source: str
    """Where it comes from."""


@dataclass(frozen=True, slots=True)
class Transition:
    """Something that happened to it."""

    time: datetime
    what: str
    """In words."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """The whole answer, in the order in which it is read."""

    path: str
    doubt: str
    """Why nothing of this can be trusted; empty if it can."""
    answer: str
    """In one sentence: is it in alarm?"""
    why: tuple[Reason, ...]
    next: tuple[str, ...]
    """What will happen, and what has to be done for it."""
    settings: tuple[Setting, ...] = ()
    transitions: tuple[Transition, ...] = ()
    """Newest first."""
    often: tuple[str, ...] = ()
    """How often it comes."""
    guidance: tuple[str, ...] = ()
    """What was written for whoever has to act; the lines of each entry below its title."""
