"""One client of `source_bench`, in a process of its own: `python -m benchmarks.source_client KIND PREFIX NUMBER SECONDS`.

Prints JSON: seconds until all PVs had a value, and then, over some seconds, updates and CPU seconds.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable, Sequence

from alarm_engine.model.reading import Input, Reading
from alarm_engine.sources.ca import CaSource
from alarm_engine.sources.port import Subscription

Count = Callable[[], int]


def bare(pvs: list[str]) -> Count:
    """The yardstick: pyepics at the level of `epics.ca`, with a callback that counts."""
    import epicscorelibs  # noqa: F401
    from epics import ca, dbr

    count, seen = 0, set[int]()

    def got(chid: int, **_: object) -> None:
        nonlocal count
        count += 1
        seen.add(chid)

    channels = [ca.create_channel(pv) for pv in pvs]
    ca.poll()
    for channel in channels:
        ca.connect_channel(channel, timeout=30)
    # pyepics polls within each create_subscription; references must be kept.
    bare.held = [ca.create_subscription(channel, use_time=True, mask=dbr.DBE_VALUE | dbr.DBE_ALARM, callback=got) for channel in channels]  # type: ignore[attr-defined]
    while len(seen) < len(pvs):
        time.sleep(0.01)
    return lambda: count


def source(pvs: list[str]) -> Count:
    """Our source, with a sink that counts readings."""
    count, seen = 0, set[str]()

    def sink(inputs: Sequence[Input]) -> None:
        nonlocal count
        readings = [item for item in inputs if isinstance(item, Reading)]
        count += len(readings)
        if len(seen) < len(pvs):
            seen.update(reading.pv for reading in readings)

    ca_source = CaSource()
    ca_source.start(sink)
    ca_source.subscribe([Subscription(pv, values=True) for pv in pvs])
    while len(seen) < len(pvs):
        time.sleep(0.01)
    return lambda: count


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main(kind: str, prefix: str, number: int, seconds: float) -> None:
    """Connect, then count."""
    pvs = [f"{prefix}{n}" for n in range(number)]
    start = time.monotonic()
    count = {"bare": bare, "source": source}[kind](pvs)
    connected_s = time.monotonic() - start
    time.sleep(1)
    before, cpu_s, start = count(), _cpu_s(), time.monotonic()
    time.sleep(seconds)
    updates, cpu_s, passed_s = count() - before, _cpu_s() - cpu_s, time.monotonic() - start
    print(json.dumps({"connected_s": connected_s, "updates": updates, "cpu_s": cpu_s, "passed_s": passed_s}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
