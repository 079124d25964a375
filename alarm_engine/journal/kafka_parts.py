"""How far a reader is in one topic."""

from __future__ import annotations

import structlog

from alarm_engine.journal.kafka_cluster import Seen

_log = structlog.get_logger()


class Part:
    """One topic of a reader."""

    __slots__ = ("_end", "_id", "next", "present", "topic")

    def __init__(self, topic: str, start: int) -> None:
        self.topic = topic
        self.next = start
        """Offset from which nothing was fetched yet."""
        self.present = False
        self._id = ""
        self._end = 0

    @property
    def reached(self) -> bool:
        """All was fetched that was there at the last look."""
        return not self.present or self.next >= self._end

    def advance(self, offset: int) -> None:
        """Everything below was fetched, or is no record."""
        self.next = max(self.next, offset)

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
