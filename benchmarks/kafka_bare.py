"""The yardstick of the machine: alarm changes from pyepics to a Kafka producer, as `state:` records of their own and nothing else.

`python -m benchmarks.kafka_bare SERVERS TOPIC`, with lines `PV PATH` on its input. No latching, no roll-up, no history, no transaction, no
confirmation: what a short script would do.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

import orjson
from confluent_kafka import Producer

SEVERITIES = ("OK", "MINOR", "MAJOR", "INVALID")


def main(servers: str, topic: str) -> None:
    """Run until SIGTERM."""
    import epicscorelibs  # noqa: F401
    from epics import ca, dbr

    producer = Producer({"bootstrap.servers": servers, "linger.ms": 0, "log_level": 3})
    paths = dict(line.split() for line in sys.stdin)
    keys: dict[int, bytes] = {}

    def got(chid: int, value: Any, severity: int, status: int, timestamp: float, **_: object) -> None:
        name, message = SEVERITIES[severity], str(status)
        seconds, fraction = divmod(timestamp, 1)
        state = {
            "severity": name, "message": message, "value": str(value), "time": {"seconds": int(seconds), "nano": int(fraction * 1e9)},
            "current_severity": name, "current_message": message,
        }  # fmt: skip
        producer.produce(topic, orjson.dumps(state), keys[chid], 0)
        producer.poll(0)

    channels = [(ca.create_channel(pv, connect=False, auto_cb=True), path) for pv, path in paths.items()]
    ca.poll()
    for channel, _ in channels:
        ca.connect_channel(channel, timeout=30)
    keys |= {int(channel.value): f"state:/{topic}/{path}".encode() for channel, path in channels}
    held = [ca.create_subscription(channel, use_time=True, mask=dbr.DBE_ALARM, callback=got) for channel, _ in channels]
    assert held
    signal.sigwait([signal.SIGTERM])
    producer.flush(5)
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
