"""An IOC that makes an exact number of alarm changes a second, staggered: what the benchmarks with Kafka are driven by.

`PVS` calc records whose alarm goes to and fro each time they are processed stand in groups of `GROUP`. `CLOCKS` clocks tick at 10 Hz while
their `left` is above 0; each tick counts it down and processes one of the clock's ten groups. So one clock makes 1,000 changes a second,
all make 10,000, and how many the IOC has made is known without anybody counting them.
"""

from __future__ import annotations

import time

from tests.ioc import Ioc, start_ioc

GROUP = 100
CLOCKS = 10
GROUPS = 10 * CLOCKS
PVS = GROUPS * GROUP
TICKS_PER_S = 10
ROUND = 20
"""Ticks after which every alarm of a clock has gone to and fro."""

_RECORD = """record(calc, "$(P){n}") {{
 field(SCAN, "Event") field(EVNT, "{event}") field(PINI, YES) field(CALC, "!VAL") field(HIGH, 1) field(HSV, MAJOR) }}
"""
_CLOCK = """record(longin, "$(P)left{k}") {{ field(PINI, YES) }}
record(event, "$(P)event{k}") {{}}
record(calcout, "$(P)down{k}") {{ field(INPA, "$(P)left{k}") field(CALC, "A>0") field(OOPT, "When Non-zero")
 field(DOPT, "Use OCAL") field(OCAL, "A-1") field(OUT, "$(P)left{k}") }}
record(calcout, "$(P)clock{k}") {{ field(SCAN, ".1 second") field(INPA, "$(P)left{k}") field(CALC, "A>0") field(OOPT, "When Non-zero")
 field(DOPT, "Use OCAL") field(OCAL, "{first}+A%10") field(OUT, "$(P)event{k}.VAL PP") field(FLNK, "$(P)down{k}") }}
"""
_OTHERS = """record(ao, "$(P)single") { field(HIGH, 5) field(HSV, MINOR) field(PINI, YES) }
record(calcout, "$(P)flip") { field(CALC, "A") field(OUT, "$(P)event0.VAL PP") }
"""


def load_ioc() -> Ioc:
    """The IOC, with nothing ticking; every alarm stands at MAJOR."""
    records = [_RECORD.format(n=n, event=n // GROUP + 1) for n in range(PVS)]
    clocks = [_CLOCK.format(k=k, first=10 * k + 1) for k in range(CLOCKS)]
    return start_ioc("".join([*records, *clocks, _OTHERS]))


def single(ioc: Ioc) -> str:
    """A PV beside the others that is written by hand: in alarm from 5 on."""
    return f"{ioc.prefix}single"


def names(ioc: Ioc) -> dict[str, str]:
    """Path below the root by PV: a machine of 20 systems, 500 components, and the single one."""
    paths = {f"{ioc.prefix}{n}": f"S{n % 20}/G{n % 500}/{ioc.prefix}{n}" for n in range(PVS)}
    return paths | {single(ioc): f"S0/G0/{single(ioc)}"}


def begin(ioc: Ioc, clocks: int, seconds: int) -> int:
    """Let clocks tick for so long; returns how many changes the IOC will have made."""
    ticks = seconds * TICKS_PER_S
    assert ticks % ROUND == 0
    for clock in range(clocks):
        ioc.put(f"{ioc.prefix}left{clock}", ticks)
    return clocks * ticks * GROUP


def flip_all(ioc: Ioc) -> float:
    """Every PV changes its alarm at once; returns the moment before the first, by `time.perf_counter`."""
    begin_s = time.perf_counter()
    for group in range(GROUPS):
        ioc.put(f"{ioc.prefix}flip.A", group + 1)
    return begin_s
