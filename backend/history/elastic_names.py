"""Names of indices: one for each configuration and month (UTC) of the engine's time of the event.

An event's id is the id of its document, and ids are unique within one index only. The time is part of the record, so that the same event,
whenever it is written again, comes to the same index. That is also why no index is rolled over by size.

Nothing is written to an index by its name, but by an alias that only we make, with the index: a server makes a missing index by itself, and
would guess at its mapping if the template were gone too; it makes no alias.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime

from alarm_engine.model.times import NANOS_PER_SECOND, Nanos, from_datetime, to_datetime

_LONGEST = 120
_DAY_NS = 86_400 * NANOS_PER_SECOND
_MOST_DAYS = 10_000
_MONTH = re.compile(r"-(\d{4}\.\d{2})")
KEPT = "kept"
"""In place of the month: last states that outlived the index of their month."""


@dataclass(frozen=True, slots=True)
class Place:
    """An index and the alias that we write by."""

    index: str
    alias: str


class Names:
    """Names of one installation; others beside it have another prefix."""

    def __init__(self, prefix: str) -> None:
        self._events = f"{prefix}-events"
        self._dead = f"{prefix}-dead"
        self._write = f"{prefix}-write"
        self._days: dict[tuple[str, int], Place] = {}
        """Places by configuration and day: events come by thousands a second, and those of a day have one place."""
        self.all_events = f"{self._events}-*"
        """Pattern of the indices of all configurations."""
        self.all_dead = f"{self._dead}-*"
        self.template = self._events
        self.dead_template = self._dead
        self.policy = self._events
        self.past = Place(f"{prefix}-past", f"{prefix}-write-past")
        """Where checkpoints of all configurations are."""
        self.summaries = Place(f"{prefix}-summaries", f"{prefix}-write-summaries")
        """Where summaries of alarm figures are."""

    def events(self, config: str) -> str:
        """Pattern of the indices of one configuration."""
        return f"{self._events}-{escaped(config)}-*"

    def place(self, config: str, time: Nanos) -> Place:
        """Where an event of that time is."""
        place = self._days.get((config, time // _DAY_NS))
        if place is None:
            if len(self._days) >= _MOST_DAYS:
                self._days.clear()
            place = self._days[config, time // _DAY_NS] = self.of_month(config, month(time))
        return place

    def of_month(self, config: str, part: str) -> Place:
        """Where events of a month (`2026.11`) are."""
        name = f"{escaped(config)}-{part}"
        return Place(f"{self._events}-{name}", f"{self._write}-{name}")

    def kept(self, config: str) -> Place:
        """Where last states go whose month is deleted."""
        return self.of_month(config, KEPT)

    def dead(self, config: str) -> Place:
        """Where dead letters are."""
        return Place(f"{self._dead}-{escaped(config)}", f"{self._write}-{escaped(config)}-dead")

    def month_of(self, config: str, index: str) -> str | None:
        """The month (`2026.11`) of an index of a configuration; None for another index."""
        found = _MONTH.fullmatch(index.removeprefix(f"{self._events}-{escaped(config)}"))
        return found[1] if found else None


def month(time: Nanos) -> str:
    """The month of a time: `2026.11`, which sorts as time does."""
    return f"{to_datetime(time):%Y.%m}"


def month_span(time: Nanos) -> tuple[Nanos, Nanos]:
    """Begin and end of the month of a time."""
    first = to_datetime(time).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    following = first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)
    return from_datetime(first), from_datetime(following)


def span_of_month(part: str) -> tuple[Nanos, Nanos]:
    """Begin and end of a month (`2026.11`)."""
    year, number = map(int, part.split("."))
    return month_span(from_datetime(datetime(year, number, 1, tzinfo=UTC)))


def escaped(config: str) -> str:
    """A configuration in the name of an index: no two are the same, and none begins with another one and a dash.

    Small letters, digits and dots stay; `_d` is D, `__` and `_-` are these signs, `_0e4_` is the character U+00E4. A long one is a hash.
    """
    text = "".join(_escaped(character) for character in config)
    if len(text) > _LONGEST:
        return "_1" + hashlib.sha256(config.encode(errors="surrogatepass")).hexdigest()
    return text


def _escaped(character: str) -> str:
    if character.isascii():
        if character.islower() or character.isdigit() or character == ".":
            return character
        if character.isupper() or character in "_-":
            return "_" + character.lower()
    return f"_0{ord(character):x}_"
