"""Names of record headers: what is ours on records that Phoebus clients read (they do not look at headers)."""

from __future__ import annotations

from alarm_engine.journal.port import Headers

ID = "tocsin-id"
"""Correlation id of a command."""
REASON = "tocsin-reason"
"""Why somebody gives a command, UTF-8."""
SEEN = "tocsin-seen"
"""Newest event that the user had on screen."""
UNTIL = "tocsin-until"
"""End of shelving, nanoseconds since the epoch."""
STATE = "tocsin-state"
"""On `state:` records of alarms: what the snapshot has beyond the record."""
ENGINE = "tocsin-engine"
"""On `config:` records that an engine wrote, and on its `state:` records of components: its epoch."""
REVISION = "tocsin-revision"
"""On `config:` records that a sync from files wrote: the number of its revision. They come into force together, when it closes."""


def headers(**values: str | None) -> Headers:
    """Headers from texts, named by the constants of this module in lower case; None is left out."""
    names = {"id": ID, "reason": REASON, "seen": SEEN, "until": UNTIL, "engine": ENGINE, "revision": REVISION}
    return tuple((names[name], text.encode("utf-8", "replace")) for name, text in values.items() if text)
