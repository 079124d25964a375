"""What a client of Kafka says about itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaStatus:
    """How a configuration is followed.

    >>> (status,) = client.status()
    >>> status.stale, status.problem
    (False, '')
    """

    config: str
    caught_up: bool
    """All that was in the topics was read."""
    stale: bool
    """What is shown is old: it is not caught up, or the server gives no life sign."""
    server_gone: bool
    """It is caught up, and whoever evaluates the alarms, our engine or a Phoebus server, gives no life sign."""
    age_s: float | None
    """Seconds since its last life sign; None: there never was one."""
    as_of: str | None
    """The newest event that was read."""
    problem: str
    """Why it is not caught up, or may lack something; empty while all is well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PastRead:
    """How much of the past was read from Kafka. It is read when it is asked for, the newest first.

    >>> client.read_past().whole
    True
    """

    config: str
    read: int
    """Records."""
    total: int
    """So many there are; 0 before the first question."""
    since: datetime | None
    """Everything from that time on was read; None: nothing yet, or all."""
    whole: bool
    """There is no more to be read."""
    begin: datetime | None
    """The topic has forgotten what was before that; None: it has forgotten nothing, or that is not known before all was read."""
