"""What is known of the files of a tree: the newest revision that came of them, and what the sync process says of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from alarm_engine.errors import WireError
from alarm_engine.journal.port import StoredRecord
from alarm_engine.model.path import canonical
from alarm_engine.revisions import Due, Staging, records_of
from alarm_engine.wire.keys import RecordType, key, parse_key
from alarm_engine.wire.report import FileReport, decode_report
from alarm_engine.wire.revision import Revision
from alarm_engine.wire.topics import Topics

_COMPONENT = "component:"
_REPORT = key(RecordType.REPORT, "")


class TreeFiles:
    """Passes records on as they come into force: a revision as a whole, when it closes."""

    def __init__(self, topics: Topics) -> None:
        self._topics = topics
        self._staging = Staging(topics)
        self.report: FileReport | None = None
        """None: no sync process has said anything."""

    @property
    def revision(self) -> Revision | None:
        """The newest one; None: there never was one."""
        return self._staging.revision

    def take(self, record: StoredRecord) -> list[Due]:
        """What is to be worked into the tree now. Raises `WireError` for a mark or a report that cannot be understood."""
        if record.topic == self._topics.settings:
            if record.key.startswith(_COMPONENT):
                return [Due(record)]
            if record.key.startswith(_REPORT):
                self.report = decode_report(record.value) if record.value is not None else None
                return []
        return list(records_of(self._staging.take(record)))

    def settle(self, existed: Callable[[str], bool]) -> Iterable[Due]:
        """All was read that is there: what belongs to no open revision. `existed`: there is a state for a path."""
        if self._staging.is_settled:
            return ()
        return list(records_of(self._staging.settle(lambda config: existed(_path(config)))))


def _path(config_key: str) -> str:
    try:
        return canonical(parse_key(config_key)[1])
    except WireError:
        return ""
