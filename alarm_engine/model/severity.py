"""Severity of an alarm, with the two orderings that Phoebus uses."""

from __future__ import annotations

from enum import IntEnum


class Severity(IntEnum):
    """The nine severities; the number is the *ordinal*: roll-up, display, severity PVs.

    The order in which a new sample raises an alarm is another one: see `priority`.
    """

    OK = 0
    MINOR_ACK = 1
    MAJOR_ACK = 2
    INVALID_ACK = 3
    UNDEFINED_ACK = 4
    MINOR = 5
    MAJOR = 6
    INVALID = 7
    UNDEFINED = 8

    @property
    def is_active(self) -> bool:
        """In alarm and not acknowledged."""
        return self >= Severity.MINOR

    @property
    def is_acknowledged(self) -> bool:
        """In alarm and acknowledged."""
        return Severity.OK < self < Severity.MINOR

    @property
    def priority(self) -> int:
        """Update priority: an acknowledged MAJOR is raised by INVALID, not by MAJOR or MINOR."""
        return PRIORITY[self]

    @property
    def acknowledged(self) -> Severity:
        """The acknowledged form; OK and acknowledged severities are their own."""
        return ACKNOWLEDGED[self]

    @property
    def unacknowledged(self) -> Severity:
        """The active form; OK and active severities are their own."""
        return UNACKNOWLEDGED[self]


_S = Severity

BY_NAME: dict[str, Severity] = {severity.name: severity for severity in Severity}

NAMES: tuple[str, ...] = tuple(severity.name for severity in Severity)
"""Severity texts by ordinal (indexing is cheaper than `Severity.name`)."""

PRIORITY: tuple[int, ...] = (0, 2, 4, 6, 8, 1, 3, 5, 7)
"""Update priority by ordinal: OK 0, MINOR 1, MINOR_ACK 2, ... UNDEFINED_ACK 8."""

ACKNOWLEDGED: tuple[Severity, ...] = (
    _S.OK, _S.MINOR_ACK, _S.MAJOR_ACK, _S.INVALID_ACK, _S.UNDEFINED_ACK,
    _S.MINOR_ACK, _S.MAJOR_ACK, _S.INVALID_ACK, _S.UNDEFINED_ACK,
)  # fmt: skip
UNACKNOWLEDGED: tuple[Severity, ...] = (
    _S.OK, _S.MINOR, _S.MAJOR, _S.INVALID, _S.UNDEFINED,
    _S.MINOR, _S.MAJOR, _S.INVALID, _S.UNDEFINED,
)  # fmt: skip
