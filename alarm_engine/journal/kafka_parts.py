"""How far a reader is in one topic."""

from __future__ import annotations

import structlog

from alarm_engine.journal.kafka_cluster import Seen

_log = structlog.get_logger()

_PATIENCE_S = 10.0
_LONGEST_PATIENCE_S = 320.0
"""What lies before may also be a transaction that nobody ends: another consumer gets no further then."""


class Part:
    """One topic of a reader."""

    __slots__ = ("_asked_s", "_end", "_id", "_patience_s", "_place", "_since_s", "next", "present", "topic")

    def __init__(self, topic: str, start: int) -> None:
        self.topic = topic
        self.next = start
        """Offset from which nothing was fetched yet."""
        self.present = False
        self._id = ""
        self._end = 0
        self._place = -1
        self._since_s = self._asked_s = 0.0
        self._patience_s = _PATIENCE_S

    @property
    def reached(self) -> bool:
        """All was fetched that was there at the last look."""
        return not self.present or self.next >= self._end

    def advance(self, offset: int) -> None:
        """Everything below was fetched, or is no record."""
        self.next = max(self.next, offset)

    def stuck(self, now_s: float) -> bool:
        """There is more, and nothing of it has come for long: so a consumer of the library looks that has got lost.

        True once each time that patience ends, which it does later each time. `now_s` is a monotonic time.
        """
        unwatched_s, self._asked_s = now_s - self._asked_s, now_s  # Kafka was away, or this process was
        if self.reached or self.next != self._place or unwatched_s > _PATIENCE_S / 2:
            self._place, self._since_s, self._patience_s = self.next, now_s, _PATIENCE_S
            return False
        if now_s - self._since_s < self._patience_s:
            return False
        _log.warning(
            "no more records come although there are some, asking for them anew", topic=self.topic, offset=self.next, end=self._end
        )
        self._since_s, self._patience_s = now_s, min(_LONGEST_PATIENCE_S, 2 * self._patience_s)
        return True

    def look(self, seen: Seen | None) -> bool:
        """Take in what was seen; True if the topic has to be read from another place than before."""
        if seen is None:
            if self.present:
                _log.warning("topic is gone, waiting for it", topic=self.topic, offset=self.next)
            changed, self.present = self.present, False
            return changed
        if self.present and seen.id == self._id:
            self._end = max(self._end, seen.end)
            return False
        if self._id and seen.id != self._id:
            _log.warning("topic was made anew, reading it from its beginning", topic=self.topic, offset=self.next, end=seen.end)
            self.next = 0
        elif self.next > seen.end:
            _log.warning(
                "position lies beyond the end, reading the topic from its beginning", topic=self.topic, offset=self.next, end=seen.end
            )
            self.next = 0
        self.next = max(self.next, seen.begin)
        self.present, self._id, self._end = True, seen.id, seen.end
        return True
