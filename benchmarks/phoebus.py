"""What the Phoebus alarm server did with the same load, to be printed beside ours.

Recorded once with the server of Phoebus 5.0.5: 10,000 PVs, with Kafka, IOC and reader on the same 2 cores of a small machine. Not measured
in the run: on another machine look at the ratio of the two yardsticks first.
"""

from __future__ import annotations

START_FIRST = "11.8 s"
START_ALL = "14.0 s"
LATENCY_P50 = "22.6-24.4 ms"
"""20 ms of it is the linger of its producer."""
LATENCY_P99 = "27-39 ms"
CPU_AT_1000 = "51-63 us"
CPU_AT_10000 = "12-15 us"
CPU_ABOVE = "at 50,000 / 100,000 changes/s: 7.7 / 5.9 us, 1.8 % lost at the last"
ALL_AT_ONCE = "0.26-0.35 s"
ACKNOWLEDGE = "0.10 s"
MEMORY = "170-268 MB"
"""At the start, and at 100,000 changes a second."""
