"""Where the guidance of an alarm can be read."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from alarm_engine.model.path import ancestors, parent
from alarm_engine.model.settings import TitledText
from alarm_engine.model.subsystem import alarm_uid
from backend.live.model import LiveAlarm, LiveTree


class GuidanceLinks:
    """Where the guidance of alarms can be read; what components say is looked up once."""

    def __init__(self, tree: LiveTree) -> None:
        self._tree = tree
        self._above: dict[str, str | None] = {}

    def url(self, alarm: LiveAlarm) -> str:
        """Address of the guidance of an alarm, or of the nearest component above it; `""` if there is none.

        Guidance that is a text and no address is read on the page of the alarm.
        """
        found = _first_url(alarm.settings.guidance)
        if found is None:
            above = alarm.path.rpartition("/")[0] if "\\/" not in alarm.path else parent(alarm.path)
            if above not in self._above:
                self._above[above] = self._search(above)
            found = self._above[above]
        return f"/d/{alarm_uid(self._tree.config)}?var-path={quote(alarm.path, safe='')}" if found == "" else found or ""

    def _search(self, path: str) -> str | None:
        for node in (self._tree.nodes.get(one) for one in (path, *ancestors(path))):
            found = _first_url(node.settings.guidance) if node else None
            if found is not None:
                return found
        return None


def _first_url(texts: Sequence[TitledText]) -> str | None:
    """The first address; `""` for texts without any, None for no texts."""
    return next((text.details.strip() for text in texts if is_url(text.details)), "" if texts else None)


def is_url(text: str) -> bool:
    """A link that a browser may follow (no `javascript:` and the like)."""
    text = text.strip()
    return text.lower().startswith(("http://", "https://")) and " " not in text and "\n" not in text
