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
"""On `config:` records that an engine wrote: its epoch."""

SYNC = "tocsin-sync"
"""On `config:` records that a sync wrote: which one, so that it knows its own among those of others."""


def headers(**values: str | None) -> Headers:
    """Headers from texts, named by the constants of this module in lower case; None is left out."""
    names = {"id": ID, "reason": REASON, "seen": SEEN, "until": UNTIL, "engine": ENGINE, "sync": SYNC}
    return tuple((names[name], text.encode("utf-8", "replace")) for name, text in values.items() if text)
