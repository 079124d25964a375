"""Rows of counts per bucket, one for each bucket and label."""

from __future__ import annotations

from alarm_engine.model.event import EventKind
from alarm_engine.model.subsystem import title
from alarm_engine.model.times import Nanos, to_ms
from backend.history.port import CountBy
from backend.queries.request import Ask, Cell, Row, Sources
from backend.queries.scope import knows, prefixes

_DEFAULT_S = 600


async def _counts(sources: Sources, ask: Ask, by: CountBy) -> list[Row]:
    bucket_s = ask.bucket_s or _DEFAULT_S
    counts: dict[Nanos, dict[str, int]] = {}
    for tree in sources.asked(ask):
        if not knows(tree, ask):
            continue
        for prefix in prefixes(tree, ask):
            for bucket in await sources.history.counts(tree.config, ask.start, ask.end, bucket_s, by, prefix):
                bar = counts.setdefault(bucket.start, {})
                for label, count in bucket.counts.items():
                    bar[label] = bar.get(label, 0) + count
    labels = sorted({label for bar in counts.values() for label in bar})
    shown = {label: title(label) if by is CountBy.SYSTEM else label for label in labels}
    # Each label has a value in each bucket: a graph would draw a line over those that are missing.
    return [
        {"time": to_ms(time), "label": shown[label], "count": bar.get(label, 0)} for time, bar in sorted(counts.items()) for label in labels
    ]


async def by_severity(sources: Sources, ask: Ask) -> list[Row]:
    """Alarms that rose per bucket, by severity."""
    return await _counts(sources, ask, CountBy.SEVERITY)


async def by_system(sources: Sources, ask: Ask) -> list[Row]:
    """Alarms that rose per bucket, by subsystem."""
    return await _counts(sources, ask, CountBy.SYSTEM)


async def by_kind(sources: Sources, ask: Ask) -> list[Row]:
    """Events per bucket, by kind."""
    return await _counts(sources, ask, CountBy.KIND)


async def kinds(sources: Sources, ask: Ask) -> list[Row]:
    """Events per bucket, a column for each kind, as panels want them that colour by column."""
    wide: dict[Cell, Row] = {}
    for row in await by_kind(sources, ask):
        wide.setdefault(row["time"], {"time": row["time"], **dict.fromkeys(map(str, EventKind), 0)})[str(row["label"])] = row["count"]
    return list(wide.values())
