"""Looks now and then at the topics that are read: is the broker there, do the topics still exist, where do they end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Protocol

from alarm_engine.errors import JournalError, SettingsError
from alarm_engine.journal.kafka_cluster import Cluster, Seen

PERIOD_S = 1.0


class Watched(Protocol):
    """A reader as the watch sees it."""

    @property
    def topics(self) -> frozenset[str]:
        """What it reads."""
        ...

    def looked(self, seen: Mapping[str, Seen]) -> None:
        """The topics that are there now; may hold others as well."""
        ...

    def failed(self, problem: JournalError) -> None:
        """They could not be looked at."""
        ...


class Watch:
    """One thread for all readers of a journal, started with the first."""

    def __init__(self, cluster: Cluster, name: str, also: Callable[[], None] = lambda: None) -> None:
        """`also` is called each time; it must not raise."""
        self._cluster = cluster
        self._also = also
        self._lock = threading.Lock()
        self._readers: list[Watched] = []
        self._now = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._loop, name=name, daemon=True)

    def start(self) -> None:
        """Look from now on; otherwise from the first reader on."""
        with self._lock:
            if not self._thread.is_alive() and not self._stopping.is_set():
                self._thread.start()

    def follow(self, reader: Watched) -> None:
        """Tell a reader from now on."""
        with self._lock:
            self._readers.append(reader)
        self.start()

    def leave(self, reader: Watched) -> None:
        """Tell it no more."""
        with self._lock:
            self._readers = [known for known in self._readers if known is not reader]

    def look_now(self) -> None:
        """Something has changed."""
        self._now.set()

    def stop(self) -> None:
        """End. Blocks for a request at most."""
        with self._lock:
            self._stopping.set()
        self._now.set()
        if self._thread.is_alive():
            self._thread.join()

    def _loop(self) -> None:
        while not self._stopping.is_set():
            self._now.wait(PERIOD_S)
            self._now.clear()
            if self._stopping.is_set():
                break
            self._cluster.renew()
            self._also()
            with self._lock:
                readers = list(self._readers)
            topics = {topic for reader in readers for topic in reader.topics}
            try:
                seen = self._cluster.look(topics)
            except JournalError:
                self._tell_each(readers)
                continue
            except SettingsError as problem:
                for reader in readers:
                    reader.failed(JournalError(str(problem)))
                continue
            for reader in readers:
                reader.looked(seen)

    def _tell_each(self, readers: list[Watched]) -> None:
        """A topic that one reader may not read is no fault of the others; an unreachable broker is asked only once more."""
        for reader in readers:
            try:
                reader.looked(self._cluster.look(reader.topics))
            except JournalError as problem:
                reader.failed(problem)
                if self._cluster.complaints.silent:
                    for other in readers:
                        other.failed(problem)
                    return
