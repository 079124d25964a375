"""Words that answers use. Each is a text; one that only a later server knows is kept as that text."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Self


class _Word(StrEnum):
    """A text out of a list that may grow: unknown ones are members of their own."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str):
            return None
        member = str.__new__(cls, value)
        member._name_ = member._value_ = value
        return member

    def __repr__(self) -> str:
        return repr(str(self))

    @property
    def is_known(self) -> bool:
        """False for a word of a later server.

        >>> Severity.MAJOR.is_known, Severity("ESCALATED").is_known
        (True, False)
        """
        return self._value_ in type(self)._value2member_map_


class Severity(_Word):
    """How bad an alarm is: compared by that, not by the alphabet. One that is not known counts as the worst.

    >>> alarm = client.alarms().alarms[0]
    >>> alarm.severity, alarm.severity > Severity.MINOR, alarm.severity.is_active
    ('MAJOR', True, True)
    >>> max(["MINOR", Severity.INVALID, Severity.MAJOR_ACK], key=lambda name: Severity(name).level)
    'INVALID'
    """

    OK = "OK"
    MINOR_ACK = "MINOR_ACK"
    MAJOR_ACK = "MAJOR_ACK"
    INVALID_ACK = "INVALID_ACK"
    UNDEFINED_ACK = "UNDEFINED_ACK"
    MINOR = "MINOR"
    MAJOR = "MAJOR"
    INVALID = "INVALID"
    UNDEFINED = "UNDEFINED"

    @property
    def level(self) -> int:
        """0 for OK up to 8 for UNDEFINED; acknowledged ones are below all that are not.

        >>> Severity.OK.level, Severity.UNDEFINED_ACK.level, Severity.UNDEFINED.level
        (0, 4, 8)
        """
        return _LEVELS.get(str(self), len(_LEVELS))

    @property
    def is_active(self) -> bool:
        """In alarm, and nobody has taken notice.

        >>> Severity.MAJOR.is_active, Severity.MAJOR_ACK.is_active
        (True, False)
        """
        return self.level >= _LEVELS["MINOR"]

    @property
    def is_acknowledged(self) -> bool:
        """In alarm, and somebody has taken notice.

        >>> Severity.MAJOR.is_acknowledged, Severity.MAJOR_ACK.is_acknowledged
        (False, True)
        """
        return 0 < self.level < _LEVELS["MINOR"]

    def __lt__(self, other: Any) -> bool:
        return self.level < Severity(other).level

    def __le__(self, other: Any) -> bool:
        return self.level <= Severity(other).level

    def __gt__(self, other: Any) -> bool:
        return self.level > Severity(other).level

    def __ge__(self, other: Any) -> bool:
        return self.level >= Severity(other).level


_LEVELS = {str(severity): level for level, severity in enumerate(Severity)}


class State(_Word):
    """What an alarm counts as: one of these holds for each.

    >>> [alarm.pv for alarm in client.alarms(state=State.SHELVED).alarms]
    ['GC10']
    """

    OK = "ok"
    UNKNOWN = "unknown"
    """No engine has said anything about it, or its PV was never heard of: not the same as OK."""
    ACTIVE = "active"
    """In alarm, nobody has taken notice yet."""
    ACKNOWLEDGED = "acknowledged"
    SHELVED = "shelved"
    """Suppressed, comes back by itself."""
    DISABLED = "disabled"
    """Out of service until somebody enables it."""


class EventKind(_Word):
    """What happened.

    >>> any(event.kind is EventKind.ACKNOWLEDGED for event in client.events())
    True
    """

    ALARM = "alarm"
    """The alarm rose."""
    CLEARED = "cleared"
    """The alarm went back to OK."""
    CHANGED = "changed"
    """The PV or the alarm changed without a rise (lower severity, other message, connection)."""
    ACKNOWLEDGED = "acknowledged"
    UNACKNOWLEDGED = "unacknowledged"
    SHELVED = "shelved"
    UNSHELVED = "unshelved"
    DISABLED = "disabled"
    ENABLED = "enabled"
    CONFIGURED = "configured"
    """Settings were added or edited."""
    REMOVED = "removed"
    """The alarm left the tree."""
    COMMAND = "command"
    """Closes a command: `result` says what it did."""
    REFUSED = "refused"
    """A command that was not carried out; `reason` says why."""
    MODE = "mode"
    """A switch of the whole configuration: maintenance, notifications."""
    ENGINE = "engine"
    """An engine took the configuration over."""
    FOREIGN = "foreign"
    """Somebody else wrote states of the configuration, or has been quiet since."""
    SERVER = "server"
    """An IOC went, with all or many of its PVs, or is back."""


class Origin(_Word):
    """Who says that something happened.

    >>> next(client.events()).origin is Origin.ENGINE
    True
    """

    ENGINE = "engine"
    """An engine of tocsin, which decided it."""
    DERIVED = "derived"
    """Concluded from records of a Phoebus server."""
    IMPORTED = "imported"
    """Concluded from what a Phoebus alarm logger had stored."""


class Outcome(_Word):
    """What became of a command.

    >>> client.disable("/Acc/INTERLOCK").outcome is Outcome.DONE
    True
    """

    DONE = "done"
    REFUSED = "refused"
    NOT_CONFIRMED = "not_confirmed"
    """It may or may not have been carried out."""


class Differs(_Word):
    """How an alarm is not as it was.

    >>> {one.change for one in client.difference("1h").changes} == {Differs.APPEARED}
    True
    """

    CHANGED = "changed"
    APPEARED = "appeared"
    REMOVED = "removed"


class Verdict(_Word):
    """How a figure stands to its target.

    >>> client.figures(start="1h")["stale"].verdict is Verdict.MET
    True
    """

    MET = "met"
    NEAR = "near"
    EXCEEDED = "exceeded"
    NONE = "none"
    """There is no target, or too little is known to judge."""
