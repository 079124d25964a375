"""Intervals, counts and rankings from what Elasticsearch found."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from alarm_engine.errors import QueryTooLarge
from alarm_engine.model.path import name
from alarm_engine.model.times import NANOS_PER_MS, NANOS_PER_SECOND, Nanos
from backend.history.elastic_query import HAS_STATE, LABELS, RISES, all_of, among, bars, below, by_field, in_range
from backend.history.elastic_reader import PATHS_AT_ONCE, Hit, Question
from backend.history.intervals import UNKNOWN, Condition, decode_state, fill
from backend.history.matching import MAX_CHANGES
from backend.history.port import Bucket, CountBy, Frequency, Interval

_CONDITION = {"stored_fields": "_none_", "docvalue_fields": ["path", "state"]}


async def intervals(question: Question, paths: Sequence[str], span: tuple[Nanos, Nanos]) -> list[Interval]:
    """Intervals of each path; `QueryTooLarge` for more than `MAX_CHANGES` changes in all."""
    start, _ = span
    known: dict[str, tuple[Condition, tuple[int, int]]] = {}
    for hit in await question.newest(paths, start, [HAS_STATE], _CONDITION):
        epoch, n = hit["sort"][:2]
        known[_field(hit, "path")] = decode_state(_field(hit, "state")), (epoch, n)
    changes = await _changes(question, paths, span)
    found: list[Interval] = []
    for path in paths:
        condition, newest = known.get(path, (UNKNOWN, (-1, -1)))
        found += fill(path, span, condition, _in_order(changes.get(path, ()), newest))
    return found


async def counts(question: Question, span: tuple[Nanos, Nanos], buckets: tuple[int, CountBy], prefix: str | None) -> list[Bucket]:
    """Rises per bucket (seconds, label); split by kind: events of every kind."""
    start, end = span
    bucket_s, by = buckets
    width = bucket_s * NANOS_PER_SECOND
    found: dict[int, dict[str, int]] = {at: {} for at in range(start // width * width, end, width)} if start < end else {}
    if found:
        clauses = [in_range(*span), *below(prefix or "/"), *([] if by is CountBy.KIND else [RISES])]
        for group in await question.groups([bars(bucket_s), by_field(LABELS[by])], all_of(clauses)):
            found[group["key"]["at"] * NANOS_PER_MS][group["key"]["label"]] = group["doc_count"]
    return [Bucket(Nanos(at), bar) for at, bar in found.items()]


async def most_frequent(question: Question, span: tuple[Nanos, Nanos], limit: int, prefix: str | None) -> list[Frequency]:
    """Alarms by number of rises. All of them are counted, for the most frequent of several months need not be that of any."""
    if span[0] >= span[1]:
        return []
    groups = await question.groups([by_field("path")], all_of([in_range(*span), *below(prefix or "/"), RISES]))
    first = heapq.nsmallest(limit, ((-group["doc_count"], group["key"]["label"]) for group in groups))
    return [Frequency(path, name(path), -count) for count, path in first]


Change = tuple[Nanos, tuple[int, int], Condition]


async def _changes(question: Question, paths: Sequence[str], span: tuple[Nanos, Nanos]) -> dict[str, list[Change]]:
    found: dict[str, list[Change]] = defaultdict(list)
    left = MAX_CHANGES
    body: dict[str, Any] = {"sort": [{"time": "asc"}, {"epoch": "asc"}, {"n": "asc"}], **_CONDITION}
    for at in range(0, len(paths), PATHS_AT_ONCE):
        some = sorted(set(paths[at : at + PATHS_AT_ONCE]).difference(found))
        hits = await question.hits(body | {"query": all_of([among(some), in_range(*span), HAS_STATE])}, left + 1)
        left -= len(hits)
        if left < 0:
            raise QueryTooLarge(f"more than {MAX_CHANGES} changes lie in the range: ask for a shorter one or for fewer alarms")
        for hit in hits:
            time, epoch, n = hit["sort"][:3]
            found[_field(hit, "path")].append((Nanos(time), (epoch, n), decode_state(_field(hit, "state"))))
    return found


def _in_order(changes: Sequence[Change], newest: tuple[int, int]) -> list[tuple[Nanos, Condition]]:
    """What an event with a greater id has said before, a smaller one does not take back."""
    kept: list[tuple[Nanos, Condition]] = []
    for time, number, condition in changes:
        if number > newest:
            newest = number
            kept.append((time, condition))
    return kept


def _field(hit: Hit, field: str) -> Any:
    return hit["fields"][field][0]
