"""The Channel Access source alone: connecting, and CPU per update, beside a bare pyepics subscription to the same IOC."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from tests.ioc import Ioc, port_pool, start_ioc

Figures = list[tuple[str, float, str]]
_RECORD = """record(calc, "$(P){n}") {{
 field(SCAN, "{scan}") field(CALC, "(VAL+1)%10") field(HIGH, 7) field(HSV, MINOR) field(HIHI, 9) field(HHSV, MAJOR) }}
"""
_SECONDS = 8.0


def _client(kind: str, ioc: Ioc, number: int) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.source_client", kind, ioc.prefix, str(number), str(_SECONDS)]
    environment = os.environ | port_pool().environment()
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, timeout=180)
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def _beside(number: int, scan: str, rate: str) -> Figures:
    records = "".join(_RECORD.format(n=n, scan=scan) for n in range(number))
    with start_ioc(records) as ioc:
        bare, ours = _client("bare", ioc, number), _client("source", ioc, number)
    name = f"{number:,} PVs at {rate}"
    bare_us, ours_us = (each["cpu_s"] / each["updates"] * 1e6 for each in (bare, ours))
    return [
        (f"{name}: first value of all, bare pyepics", bare["connected_s"], "s"),
        (f"{name}: first value of all, source", ours["connected_s"], "s"),
        (f"{name}: updates, bare pyepics", bare["updates"] / bare["passed_s"], "1/s"),
        (f"{name}: updates, source", ours["updates"] / ours["passed_s"], "1/s"),
        (f"{name}: CPU per update, bare pyepics", bare_us, "us"),
        (f"{name}: CPU per update, source with readings made", ours_us, "us"),
        (f"{name}: source beside bare (aim: at most 2)", ours_us / bare_us, "x"),
    ]


def run() -> Figures:
    """CPU seconds are those of the client's whole process, user and system."""
    return [*_beside(1000, "1 second", "1 Hz"), *_beside(10_000, "1 second", "1 Hz"), *_beside(10_000, ".1 second", "10 Hz")]
