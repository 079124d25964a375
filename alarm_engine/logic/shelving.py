"""For how long an alarm may be shelved: one rule for who asks and for who decides. Pure."""

from __future__ import annotations

from alarm_engine.model.times import NANOS_PER_SECOND, Nanos, iso, within

LONGEST_DAYS = 400
"""For longer nobody shelves: what is to be away for years is out of service, and seen as that."""

_CLOCKS_DIFFER_NS = 60 * NANOS_PER_SECOND
"""Who asks for the longest time may have a clock that is ahead of that of who decides."""


def refusal(until: Nanos, now: Nanos) -> str:
    """Why an alarm cannot be shelved until then, as the end of a sentence about that time; empty if it can."""
    if until <= now:
        return f"must be in the future: {iso(within(until))} has passed"
    if until - now > LONGEST_DAYS * 86_400 * NANOS_PER_SECOND + _CLOCKS_DIFFER_NS:
        return f"is more than {LONGEST_DAYS} days away: for as long as that take the alarm out of service"
    return ""
