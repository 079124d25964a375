"""The configurations of a site kept at what their files say."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from alarm_engine.config.tree import ConfigTree
from alarm_engine.journal.port import Journal
from alarm_engine.model.times import NANOS_PER_SECOND, iso
from tocsin.tree_follower import FollowOptions, TreeFollower
from tocsin.trees import Loaded


class TreeWatch:
    """Keeps the journal at what the files say. A reload with errors keeps what was there, and says so."""

    def __init__(
        self, journal: Journal, loaded: Sequence[Loaded], changed: Callable[[Sequence[ConfigTree]], None], options: FollowOptions
    ) -> None:
        """`changed` is called with all trees after one of them changed."""
        self.followers = [TreeFollower(journal, one, options, lambda: changed([f.loaded.tree for f in self.followers])) for one in loaded]
        """One for each configuration that has files."""
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def faulty(self) -> int:
        """Configurations whose files have errors and are not in force."""
        return sum(follower.is_refused for follower in self.followers)

    def export(self, registry: CollectorRegistry) -> None:
        """Publish the figures."""
        gauge = Gauge("tocsin_tree_files_faulty", "Alarm trees whose files have errors and are not in force", registry=registry)
        gauge.set_function(lambda: self.faulty)
        registry.register(_Figures(self))

    async def start(self) -> None:
        """Bring the journal to the files, then look for changes. A tree whose topics cannot be used is no reason to keep others waiting."""
        for follower in self.followers:
            await follower.start()
        self._tasks = [asyncio.create_task(follower.run(), name=f"tree files {follower.config}") for follower in self.followers]

    async def stop(self) -> None:
        """Stop looking; may be called again."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        for follower in self.followers:
            await follower.stop()

    def failure(self) -> BaseException | None:
        """What ended the looking, which must not end; None while it goes on."""
        for task in self._tasks:
            if task.done() and not task.cancelled() and task.exception() is not None:
                return task.exception()
        return None

    async def ask(self, timeout_s: float) -> bool:
        """Look at all files now; True when that was done within the time."""
        return all(await asyncio.gather(*(follower.ask(timeout_s) for follower in self.followers)))

    def problems(self) -> dict[str, str]:
        """Why a configuration is not at what its files say, by name."""
        found = {follower.config: follower.problem for follower in self.followers if follower.problem}
        refused = {f.config: f"files refused: {_faults(f.file_report().fault_count)}" for f in self.followers if f.is_refused}
        return found | refused

    def status(self) -> list[dict[str, Any]]:
        """Everything that there is to say, for scripts."""
        return [status(follower) for follower in self.followers]


def status(follower: TreeFollower) -> dict[str, Any]:
    """What there is to say of one configuration, as JSON: what is in force, what the files are, how they differ."""
    report, revision = follower.file_report(), follower.revision
    applied = None
    if revision is not None:
        counts = {name: getattr(revision, name) for name in ("records", "added", "edited", "removed", "moved")}
        applied = {
            "revision": revision.number,
            "state": revision.state.value,
            "time": iso(revision.time),
            "commit": revision.commit.id,
            "author": revision.commit.author,
            "subject": revision.commit.subject,
            "host": revision.host,
            **counts,
        }
    return {
        "config": follower.config,
        "state": "refused" if report.is_refused else "waiting" if report.problem or follower.is_late else "in force",
        "problem": report.problem,
        "commit": report.commit.id,
        "author": report.commit.author,
        "subject": report.commit.subject,
        "faults": list(report.faults),
        "fault_count": report.fault_count,
        "drift": [{"path": one.path, "what": one.what, "fields": list(one.fields)} for one in report.drift],
        "drift_count": report.drift_count,
        "last_revision": applied,
    }


class _Figures(Collector):
    def __init__(self, watch: TreeWatch) -> None:
        self._watch = watch

    def collect(self) -> Iterable[Metric]:
        """One value for each configuration."""
        refused = GaugeMetricFamily("tocsin_sync_refused", "1: the files of the tree have errors and are not in force", labels=["config"])
        faults = GaugeMetricFamily("tocsin_sync_faults", "Errors in the files of the tree", labels=["config"])
        drift = GaugeMetricFamily("tocsin_sync_drift", "Paths where a client, not the files, had the last word", labels=["config"])
        waiting = GaugeMetricFamily("tocsin_sync_waiting", "1: good files are not in force; /status says why", labels=["config"])
        revision = GaugeMetricFamily("tocsin_sync_revision", "Number of the newest revision of the tree", labels=["config"])
        written = GaugeMetricFamily("tocsin_sync_revision_time_seconds", "When that was written, Unix time", labels=["config"])
        for follower in self._watch.followers:
            report, mark, name = follower.file_report(), follower.revision, [follower.config]
            refused.add_metric(name, report.is_refused)
            faults.add_metric(name, report.fault_count)
            drift.add_metric(name, report.drift_count)
            waiting.add_metric(name, bool(report.problem))
            if mark is not None:
                revision.add_metric(name, mark.number)
                written.add_metric(name, mark.time / NANOS_PER_SECOND)
        yield from (refused, faults, drift, waiting, revision, written)


def _faults(number: int) -> str:
    return "1 error" if number == 1 else f"{number} errors"
