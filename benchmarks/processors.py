"""Time of processors: what something would have taken on an idle machine, while others share it."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Self

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


class Stopwatch:
    """Adds up what passes in `with watch:`; with a session (`setsid`), what its processes took too."""

    def __init__(self, session: int | None = None) -> None:
        self.wall_s = 0.0
        self.cpu_s = 0.0
        self._others = [] if session is None else _of_session(session)

    def __enter__(self) -> Self:
        # What it takes to look is left out.
        self._began = _taken(self._others), time.process_time(), time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        wall, own, others = time.perf_counter(), time.process_time(), _taken(self._others)
        self.wall_s += wall - self._began[2]
        self.cpu_s += own - self._began[1] + others - self._began[0]

    def rate(self, number: int) -> float:
        """So many, by the second."""
        return number / self.wall_s

    def rate_by_cpu(self, number: int) -> float:
        """So many, by the second of a processor."""
        return number / self.cpu_s


def _of_session(session: int) -> list[Path]:
    return [stat for stat in Path("/proc").glob("[0-9]*/stat") if _field(stat, 3) == session]


def _taken(processes: list[Path]) -> float:
    """Seconds of processors that processes have taken."""
    return _TICK_S * sum(_field(stat, 11) + _field(stat, 12) for stat in processes)


def _field(stat: Path, number: int) -> int:
    """A field after the name, in which there may be blanks; 0 of a process that has ended."""
    try:
        return int(stat.read_text().rpartition(")")[2].split()[number])
    except OSError:
        return 0
