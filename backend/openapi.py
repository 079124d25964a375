"""Writes the description of the interface: `python -m backend.openapi > docs/reference/openapi.json`."""

from __future__ import annotations

import json
import sys
from typing import Any, cast

from alarm_engine.clock import SystemClock
from alarm_engine.journal.port import Journal
from backend.app import create_app
from backend.history.port import HistoryStore
from backend.live import Live
from backend.security import Security
from backend.services import Services


class _Nothing:
    """Stands for what a description does not need."""


def document() -> dict[str, Any]:
    """The description of the interface, without a version number: it changes only when the interface does."""
    journal, history = cast(Journal, _Nothing()), cast(HistoryStore, _Nothing())
    clock = SystemClock()
    app = create_app(Services(Live(journal, {}, "", clock), history, journal, Security(), clock))
    found = app.openapi()
    found["info"]["version"] = "1"
    return found


def text() -> str:
    """As it is committed."""
    return json.dumps(document(), indent=1, ensure_ascii=False, sort_keys=True) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())
