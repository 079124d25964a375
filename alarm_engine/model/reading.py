"""What a source of process variables delivers."""

from __future__ import annotations

from typing import NamedTuple

from alarm_engine.model.severity import Severity
from alarm_engine.model.times import Monotonic, Nanos


class Reading(NamedTuple):
    """One sample of a process variable (a tuple, since there may be 100,000 a second)."""

    pv: str
    """Name as the tree has it, protocol prefix included."""
    severity: Severity
    """OK, MINOR, MAJOR, INVALID or UNDEFINED; never acknowledged."""
    message: str
    """Alarm status as Phoebus names it: `HIHI_ALARM`, `NO_ALARM`, ..."""
    value: str
    """Text of the value as Phoebus writes it: `10.0`, an enum's label, a string."""
    pv_time: Nanos
    """Time stamp of the PV."""
    arrival: Monotonic
    """When we received it."""


class Connection(NamedTuple):
    """A process variable came or went."""

    pv: str
    up: bool
    server: str
    """`host:port` of the server, `""` when unknown."""
    wall: Nanos
    """Time of day of the change, for the record."""
    arrival: Monotonic


class Failure(NamedTuple):
    """A process variable that cannot be created at all (bad name, unknown protocol)."""

    pv: str
    problem: str
    wall: Nanos
    arrival: Monotonic


Input = Reading | Connection | Failure
