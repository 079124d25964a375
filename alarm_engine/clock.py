"""Where `now` comes from: read once a round, and handed to whoever decides."""

from __future__ import annotations

import time
from typing import Protocol

from alarm_engine.model.times import Moment, Monotonic, Nanos


class Clock(Protocol):
    """Both clocks, read together."""

    def now(self) -> Moment:
        """The present moment."""
        ...


class SystemClock:
    """The clocks of the machine."""

    def now(self) -> Moment:
        """The present moment."""
        return Moment(Nanos(time.time_ns()), Monotonic(time.monotonic_ns()))
