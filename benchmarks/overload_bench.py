"""An engine that is given more than it can decide, on the embedded journal: how far behind, how much memory, and whether it recovers.

The engine is a process of its own, which also makes the changes: a core is shared by both. Of a burst all is decided; beyond the bound of
the intake the first, the highest and the last of each PV are.
"""

from __future__ import annotations

import json
import subprocess
import sys

_PVS = 10_000


def _run(changes: int, bound: int) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.overloaded_engine", str(_PVS), str(changes), "20000", str(bound), "sqlite"]
    found: dict[str, float] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert not found["faults"], found
    return found


def run() -> list[tuple[str, float, str]]:
    """Figures of this run."""
    burst, flood = _run(40_000, 200_000), _run(400_000, 50_000)
    return [
        ("a burst of 40,000 changes at 20,000/s: given at", burst["rate"], "1/s"),
        ("all of them decided and written after", burst["done_s"], "s"),
        ("CPU of the process per change, making it included", burst["cpu_us"], "us"),
        ("400,000 changes at 20,000/s, bound 50,000: merged", flood["merged"], ""),
        ("furthest behind", flood["lag_ms"] / 1000, "s"),
        ("decided after the last was given", flood["done_s"] - flood["given_s"], "s"),
        ("memory before", flood["rss_mb"], "MB"),
        ("memory at most", flood["rss_max_mb"], "MB"),
        ("merged of what came afterwards", flood["merged_after"], ""),
    ]
