"""What a check has found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How bad it is."""

    GOOD = "good"
    NOTE = "note"
    """Nothing to do: what was not tried, and why, or what does not apply here."""
    WARNING = "warning"
    """It works, and somebody should look."""
    FAULT = "fault"
    """Alarms are not evaluated, shown or kept as they should be, or will not be."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report."""

    verdict: Verdict
    subject: str
    """What was looked at: `topic AcceleratorEvents`."""
    text: str
    """What was found, without a full stop."""
    advice: str = ""
    """What to do; empty where there is nothing to."""


def good(subject: str, text: str) -> Finding:
    """As it should be."""
    return Finding(Verdict.GOOD, subject, text)


def note(subject: str, text: str) -> Finding:
    """To be known."""
    return Finding(Verdict.NOTE, subject, text)


def warning(subject: str, text: str, advice: str) -> Finding:
    """Somebody should look."""
    return Finding(Verdict.WARNING, subject, text, advice)


def fault(subject: str, text: str, advice: str) -> Finding:
    """Something does not work."""
    return Finding(Verdict.FAULT, subject, text, advice)
