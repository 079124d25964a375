"""The alarms that come most often."""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from typing import NamedTuple

TOP = 10


class Frequent(NamedTuple):
    """How often one alarm was annunciated."""

    path: str
    number: int
    share: float
    """Percent of all annunciations."""


def frequent(alarms: Mapping[str, int]) -> tuple[Frequent, ...]:
    """The ten most frequent, most first, then by path."""
    total = sum(alarms.values())
    ranked = heapq.nsmallest(TOP, alarms.items(), key=lambda item: (-item[1], item[0]))
    return tuple(Frequent(path, number, 100 * number / total) for path, number in ranked)
