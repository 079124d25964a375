"""How much an engine and a backend ask for, by the number of alarms: the table of docs/explanations/sizing.md. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Size:
    """Enough for so many alarms."""

    alarms: int
    memory_mib: int
    """Of an engine, and of a backend."""
    engine_cpu: str


SIZES = (Size(2_000, 256, "500m"), Size(20_000, 512, "1"), Size(100_000, 1024, "1"))
BASE = SIZES[1]
"""What the manifests of the base ask for."""
_ROOM = 4
"""Limits of memory are so many times what is asked for: the room for a flood."""


def size_for(alarms: int) -> dict[str, dict[str, Any]]:
    """Resources by Deployment, where they are others than those of the base; above the table memory grows with the alarms."""
    size = next((one for one in SIZES if alarms <= one.alarms), None)
    if size is None:
        largest = SIZES[-1]
        size = Size(alarms, -(-largest.memory_mib * alarms // largest.alarms), largest.engine_cpu)
    if size == BASE:
        return {}
    memory = {"limits": {"memory": f"{_ROOM * size.memory_mib}Mi"}}
    return {
        "tocsin-engine": {"requests": {"cpu": size.engine_cpu, "memory": f"{size.memory_mib}Mi"}, **memory},
        "tocsin-backend": {"requests": {"memory": f"{size.memory_mib}Mi"}, **memory},
    }
