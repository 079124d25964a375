"""Roll-up: a component shows the highest severity below it, by ordinal."""

from __future__ import annotations

from alarm_engine.model.severity import Severity

_SEVERITIES = tuple(Severity)


class Tally:
    """Number of children by severity; the highest one is found in at most nine steps, however many children there are."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts = [0] * len(_SEVERITIES)

    def add(self, severity: Severity) -> None:
        """One more child."""
        self._counts[severity] += 1

    def remove(self, severity: Severity) -> None:
        """One child less."""
        self._counts[severity] -= 1

    def highest(self) -> Severity:
        """The severity of the component; OK without children."""
        counts = self._counts
        for severity in reversed(_SEVERITIES):
            if counts[severity]:
                return severity
        return Severity.OK
