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
        self._session = session

    def __enter__(self) -> Self:
        self._began = time.perf_counter(), self._cpu_s()
        return self

    def __exit__(self, *_: object) -> None:
        self.wall_s += time.perf_counter() - self._began[0]
        self.cpu_s += self._cpu_s() - self._began[1]

    def rate(self, number: int) -> float:
        """So many, by the second."""
        return number / self.wall_s

    def rate_by_cpu(self, number: int) -> float:
        """So many, by the second of a processor."""
        return number / self.cpu_s

    def _cpu_s(self) -> float:
        return time.process_time() + (0.0 if self._session is None else of_session(self._session))


def of_session(session: int) -> float:
    """Seconds of processors that the living processes of a session have taken."""
    total = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # it has just ended
            continue
        if int(fields[3]) == session:
            total += int(fields[11]) + int(fields[12])
    return total * _TICK_S
