"""What tests fetch, or make, once for a machine: done before them, so that it is in the time of no test.

python -m tests.prepare

What cannot be had here is said, and is no failure: the tests that need it say so too, by a skip.
"""

from __future__ import annotations

import os
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from tests import elasticsearch_server, kafka_jars
from tests.kafka_broker import KafkaCluster
from tests.maven_cache import Missing

END_S = 120.0
"""Longest wait for a broker that was told to end: it writes the archive then."""


class _Recorded(KafkaCluster):
    """A broker that writes down which classes it has loaded, when it ends."""

    def __init__(self, archive: Path) -> None:
        self._archive = archive
        super().__init__()

    def _java(self) -> list[str]:
        java, *options = super()._java()
        return [java, f"-XX:ArchiveClassesAtExit={self._archive}", *options]

    def end(self) -> None:
        """As an operator would, not as a crash."""
        (broker,) = self.brokers
        os.kill(broker.pid, signal.SIGTERM)
        deadline = time.monotonic() + END_S
        while _runs(broker.pid):
            if time.monotonic() > deadline:
                raise RuntimeError(f"the broker did not end:\n{broker.log()[-2000:]}")
            time.sleep(0.05)


def _runs(pid: int) -> bool:
    """Not gone, and not ended: the shell above it may or may not wait for it."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def archive_classes() -> None:
    """Make the archive of Kafka's classes if there is none; several processes may do so at once."""
    archive = kafka_jars.archive()
    if archive.exists():
        return
    with tempfile.TemporaryDirectory(dir=archive.parent) as scratch:
        made = Path(scratch) / archive.name
        with _Recorded(made) as broker:
            broker.end()
        if made.exists():  # not every Java can; brokers then take longer to start
            made.rename(archive)


def main() -> None:
    """All of it."""
    steps: tuple[Callable[[], object], ...] = (archive_classes, elasticsearch_server.fetched)
    for step in steps:
        try:
            step()
        except Missing as problem:
            print(problem)


if __name__ == "__main__":
    main()
