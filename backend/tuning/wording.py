"""What a judgement proposes, in words."""

from __future__ import annotations

from alarm_engine.model.settings import AlarmSettings


def changed(old: AlarmSettings, new: AlarmSettings) -> str:
    """What is different, in words."""
    words = []
    if old.delay_s != new.delay_s:
        words.append(f"delay {new.delay_s} s")
    if old.count != new.count:
        words.append(f"count {new.count}" if new.count else "no count")
    if old.latching != new.latching:
        words.append("latching" if new.latching else "not latching")
    if old.annunciating != new.annunciating:
        words.append("annunciating" if new.annunciating else "silent")
    return ", ".join(words) or "no change"
