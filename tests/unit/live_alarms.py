"""Alarms, changes and the like as a client tells them, for tests of the terminal."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tocsin.client.types import (
    Acknowledgement,
    Alarm,
    Beat,
    Change,
    Event,
    EventKind,
    Origin,
    Sample,
    Severity,
    Snapshot,
    State,
    Suppression,
)

NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)


def alarm(path="/Ring/Vacuum/GC1", severity="MAJOR", *, ago=60.0, **more):
    severity = Severity(severity)
    hidden = more.get("suppression")
    state = State.SHELVED if hidden and hidden.until else State.DISABLED if hidden else None
    standing = State.ACTIVE if severity.is_active else State.ACKNOWLEDGED if severity.is_acknowledged else State.OK
    since = NOW - timedelta(seconds=ago)
    fields = {
        "severity": severity,
        "message": "HIHI_ALARM",
        "value": "12",
        "time": since,
        "current": Sample(severity=severity, message="HIHI_ALARM", value="12", time=since),
        "connected": True,
        "since": since,
        "rise": "Ring.1.1",
        "acknowledgement": None,
        "suppression": None,
        "annunciating": True,
        "path": path,
        "pv": path.rpartition("/")[2],
        "system": path.split("/")[2],
        "description": f"about {path.rpartition('/')[2]}",
        "state": state or standing,
        "known": True,
        "version": "Ring.1.1",
    }
    return Alarm(**{**fields, **more})


def shelved(until=NOW + timedelta(hours=2), reason="being tested"):
    return Suppression(user="sam", host="ops1", reason=reason, since=NOW, until=until)


def acknowledged(user="mara"):
    return Acknowledgement(user=user, host="ops1", reason="seen", time=NOW)


def event(n=2, path="/Ring/Vacuum/GC1", kind="alarm", **more):
    fields = {
        "id": f"Ring.1.{n}",
        "time": NOW,
        "kind": EventKind(kind),
        "path": path,
        "pv": path.rpartition("/")[2],
        "system": "Vacuum",
        "from_severity": Severity.OK,
        "to_severity": Severity.MAJOR,
        "reason": "raised",
        "pv_time": NOW,
        "description": "about it",
        "annunciated": True,
        "user": "",
        "host": "",
        "comment": "",
        "correlation": "",
        "result": None,
        "state": None,
        "origin": Origin.ENGINE,
    }
    return Event(**{**fields, **more})


def change(n, found=None, **more):
    return Change(event=event(n, found.path if found else more.pop("path", "/Ring/Vacuum/GC1"), **more), alarm=found)


def snapshot(*alarms, stale=False, as_of="Ring.1.1"):
    return Snapshot(as_of=as_of, age_s=0.1, stale=stale, alarms=alarms)


def beat(**more):
    return Beat(**{"as_of": "Ring.1.1", "age_s": 0.4, "stale": False, **more})
