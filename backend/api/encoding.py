"""Alarms and events as JSON objects. Times are ISO 8601 in UTC, to the millisecond."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from alarm_engine.model.event import Event
from alarm_engine.model.path import name, system
from alarm_engine.model.severity import NAMES
from alarm_engine.model.state import Acknowledgement, Sample, Snapshot, Suppression
from alarm_engine.model.times import NANOS_PER_MS, NANOS_PER_SECOND, Nanos, iso
from backend.live import LiveAlarm, Standing, standing


@lru_cache(maxsize=10_000)
def _second(seconds: int) -> str:
    return iso(Nanos(seconds * NANOS_PER_SECOND))[:-4]


def _iso(time: Nanos) -> str:
    """As `iso`, but the seconds are written once: many alarms rise in the same one."""
    seconds, nanos = divmod(time, NANOS_PER_SECOND)
    return f"{_second(seconds)}{nanos // NANOS_PER_MS:03d}Z"


def time_text(time: Nanos | None) -> str | None:
    """A moment as it stands in answers; None stays None."""
    return None if time is None else _iso(time)


def alarm_object(alarm: LiveAlarm) -> dict[str, Any]:
    """One alarm as it is now: the form `AlarmRow`."""
    settings, what = alarm.settings, standing(alarm)
    return {
        "path": alarm.path,
        "pv": alarm.pv,
        "system": alarm.system,
        "description": settings.description,
        "state": what.value,
        "known": what is not Standing.UNKNOWN,
        "version": None if alarm.version is None else str(alarm.version),
        **(_UNKNOWN if alarm.snapshot is None else state_object(alarm.snapshot)),
    }


def state_object(snapshot: Snapshot) -> dict[str, Any]:
    """State of an alarm: the form `AlarmState`."""
    alarm = snapshot.alarm
    return {
        "severity": NAMES[alarm.severity],
        "message": alarm.message,
        "value": alarm.value,
        "time": _iso(alarm.time),
        "current": _sample(snapshot.current),
        "connected": snapshot.connected,
        "since": _iso(snapshot.since),
        "rise": None if snapshot.rise is None else str(snapshot.rise),
        "acknowledgement": _acknowledgement(snapshot.acknowledgement),
        "suppression": _suppression(snapshot.suppression),
        "annunciating": snapshot.annunciating,
    }


_UNKNOWN: dict[str, Any] = {
    "severity": "OK", "message": "", "value": "", "time": None, "current": None, "connected": False, "since": None, "rise": None,
    "acknowledgement": None, "suppression": None, "annunciating": True,
}  # fmt: skip


def _sample(sample: Sample) -> dict[str, Any]:
    return {"severity": NAMES[sample.severity], "message": sample.message, "value": sample.value, "time": _iso(sample.time)}


def _acknowledgement(ack: Acknowledgement | None) -> dict[str, Any] | None:
    if ack is None:
        return None
    return {"user": ack.user, "host": ack.host, "reason": ack.reason, "time": _iso(ack.time)}


def _suppression(suppression: Suppression | None) -> dict[str, Any] | None:
    if suppression is None:
        return None
    until = time_text(suppression.until)
    return {
        "user": suppression.user, "host": suppression.host, "reason": suppression.reason, "since": _iso(suppression.since), "until": until,
    }  # fmt: skip


def event_object(event: Event) -> dict[str, Any]:
    """One line of history: the form `EventRow`."""
    result = event.result
    return {
        "id": str(event.id),
        "time": _iso(event.time),
        "kind": event.kind.value,
        "path": event.path,
        "pv": name(event.path),
        "system": system(event.path),
        "from": NAMES[event.from_severity],
        "to": NAMES[event.to_severity],
        "reason": event.reason,
        "pv_time": time_text(event.pv_time),
        "since": time_text(event.since),
        "description": event.description,
        "annunciated": event.annunciated,
        "user": event.user,
        "host": event.host,
        "comment": event.comment,
        "correlation": event.correlation,
        "result": None if result is None else {"command": result.command, "count": result.done, "left_alone": list(result.left_alone)},
        "state": None if event.snapshot is None else state_object(event.snapshot),
        "origin": event.origin.value,
    }
