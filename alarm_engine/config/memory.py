"""What reading a tree again can take over from the last time: files whose content is the same, and alarms in them.

git-sync brings each commit as a new directory, so files are known by their content, not by their names or times.
"""

from __future__ import annotations

from datetime import tzinfo
from hashlib import blake2b
from typing import Any

from alarm_engine.config.yaml_nodes import Node, TextProblem
from alarm_engine.model.settings import AlarmSettings

Parsed = tuple[Node | None, tuple[TextProblem, ...]]
Key = tuple[Node, str, Any]
"""What an alarm is read from: node, path and macros."""
_Known = tuple[dict[str, Any], tzinfo, AlarmSettings]


class Memory:
    """Hand the same one to every `load_tree` of a tree. What the last load did not use is forgotten with the next."""

    def __init__(self) -> None:
        self._files: dict[bytes, Parsed] = {}
        self._alarms: dict[Key, _Known] = {}
        self._files_before: dict[bytes, Parsed] = {}
        self._alarms_before: dict[Key, _Known] = {}

    def begin(self) -> None:
        """A load begins."""
        self._files_before, self._files = self._files, {}
        self._alarms_before, self._alarms = self._alarms, {}

    @staticmethod
    def digest(data: bytes) -> bytes:
        """By which a file is known."""
        return blake2b(data, digest_size=20).digest()

    def parsed(self, digest: bytes) -> Parsed | None:
        """The nodes of a file with that content; they are the same objects each time."""
        found = self._files.get(digest) or self._files_before.get(digest)
        if found is not None:
            self._files[digest] = found
        return found

    def keep(self, digest: bytes, parsed: Parsed) -> None:
        """The nodes of a file that was parsed."""
        self._files[digest] = parsed

    def alarm(self, key: Key, inherited: dict[str, Any], zone: tzinfo) -> AlarmSettings | None:
        """Settings that came of the same before, if nothing else that they depend on has changed and nothing was wrong with them."""
        found = self._alarms_before.get(key)
        if found is None or found[0] != inherited or found[1] != zone:
            return None
        self._alarms[key] = found
        return found[2]

    def keep_alarm(self, key: Key, inherited: dict[str, Any], zone: tzinfo, settings: AlarmSettings) -> None:
        """Settings that came of a node without any fault."""
        self._alarms[key] = (inherited, zone, settings)
