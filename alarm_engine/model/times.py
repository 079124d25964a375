"""Time: integer nanoseconds inside, `datetime` only at the borders."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NewType

Nanos = NewType("Nanos", int)
"""Nanoseconds since the Unix epoch, UTC."""

Monotonic = NewType("Monotonic", int)
"""Nanoseconds of a monotonic clock: only differences mean anything."""

NANOS_PER_SECOND = 1_000_000_000
NANOS_PER_MS = 1_000_000

LATEST = Nanos(4_102_358_400 * NANOS_PER_SECOND)
"""The last day of 2099 begins, so that it is in that year everywhere.

Stores take 62 bits, JSON 64, dates four digits: a record with a later time could never be written.
"""


def within(time: int) -> Nanos:
    """The time, or where it is of no use (before 1970, after `LATEST`) the nearest one that is."""
    return Nanos(min(max(0, time), LATEST))


@dataclass(frozen=True, slots=True)
class Moment:
    """One instant, read once from both clocks and handed to whoever decides."""

    wall: Nanos
    """What goes into records and events."""
    monotonic: Monotonic
    """What delays and time-outs run on."""

    def plus_s(self, seconds: float) -> Moment:
        """The moment `seconds` later, on both clocks."""
        delta = round(seconds * NANOS_PER_SECOND)
        return Moment(Nanos(self.wall + delta), Monotonic(self.monotonic + delta))


def from_datetime(moment: datetime) -> Nanos:
    """Nanoseconds of an aware `datetime`; raises `ValueError` for one without a zone."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment.isoformat()} has no time zone")
    seconds = int(moment.replace(microsecond=0).timestamp())
    return Nanos(seconds * NANOS_PER_SECOND + moment.microsecond * 1000)


def to_datetime(time: Nanos) -> datetime:
    """An aware UTC `datetime`, cut to microseconds."""
    seconds, nanos = divmod(time, NANOS_PER_SECOND)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=nanos // 1000)


def iso(time: Nanos) -> str:
    """ISO 8601 in UTC to the millisecond: `2026-11-22T13:35:47.120Z`."""
    seconds, nanos = divmod(time, NANOS_PER_SECOND)
    text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{nanos // NANOS_PER_MS:03d}Z"


def to_ms(time: Nanos) -> int:
    """Milliseconds since the epoch, as Grafana counts."""
    return time // NANOS_PER_MS


def from_ms(ms: int) -> Nanos:
    """Nanoseconds of milliseconds since the epoch."""
    return Nanos(ms * NANOS_PER_MS)
