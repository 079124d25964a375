"""What deadlines of an evaluator are for."""

from __future__ import annotations

from enum import IntEnum

from alarm_engine.model.times import NANOS_PER_SECOND

CLOCK_CHECK_NS = 60 * NANOS_PER_SECOND
LATE_NS = NANOS_PER_SECOND // 20
"""Inputs that waited longer are taken for what they were when they came."""


class Timer(IntEnum):
    """What a deadline is for."""

    DELAY = 0
    CONNECT = 1
    SHELF = 2
    IDLE = 3
    NAG = 4
    SERVERS = 5
