"""Questions in the language of Elasticsearch. What decides nothing about the order of hits is a filter: no scores are computed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from alarm_engine.model.event import EventKind
from alarm_engine.model.severity import NAMES
from alarm_engine.model.times import Nanos
from backend.history.intervals import REMOVED
from backend.history.matching import fold
from backend.history.port import CountBy, EventQuery

Clause = dict[str, Any]

GROUPS_A_PAGE = 5_000
"""Groups that one request counts."""
LABELS = {CountBy.SEVERITY: "severity", CountBy.SYSTEM: "system", CountBy.KIND: "kind"}


def all_of(clauses: Iterable[Clause], *, none_of: Sequence[Clause] = ()) -> Clause:
    """All conditions hold, and none of the others."""
    return {"bool": {"filter": list(clauses), "must_not": list(none_of)}}


def in_range(start: Nanos, end: Nanos) -> Clause:
    """Events of the half open range."""
    return {"range": {"time": {"gte": start, "lt": end}}}


def before(time: Nanos) -> Clause:
    """Events before a time."""
    return {"range": {"time": {"lt": time}}}


def below(prefix: str) -> list[Clause]:
    """Events of a node and of all that is below it; nothing for the root of all."""
    if prefix == "/":
        return []
    return [any_of([{"term": {"path": prefix}}, {"prefix": {"path": prefix + "/"}}])]


def any_of(clauses: Sequence[Clause]) -> Clause:
    """At least one condition holds."""
    return {"bool": {"should": list(clauses), "minimum_should_match": 1}}


def beyond(epoch: int, n: int, than: str) -> Clause:
    """Events with a greater (`gt`) or smaller (`lt`) id."""
    same_epoch = all_of([{"term": {"epoch": epoch}}, {"range": {"n": {than: n}}}])
    return any_of([{"range": {"epoch": {than: epoch}}}, same_epoch])


def among(paths: Sequence[str]) -> Clause:
    """Events of these paths."""
    return {"terms": {"path": list(paths)}}


RISES: Clause = {"term": {"kind": EventKind.ALARM.value}}
HAS_STATE: Clause = {"exists": {"field": "state"}}
"""It says something about the condition of its alarm, if only that the alarm was removed."""
HAS_NO_SNAPSHOT: Clause = {"term": {"state": REMOVED}}


def of_page(query: EventQuery) -> Clause:
    """The conditions of a page, the cursor among them.

    The cursor is a condition, not `search_after`: it is the id of an event, holds after a restart and at any backend, and needs no event
    to be there still. Nothing is missed without a point in time: pages are cut by id, and no id comes to be between two others.
    """
    clauses = [in_range(query.start, query.end), *below(query.path_prefix or "/")]
    if query.pv is not None:
        clauses.append({"wildcard": {"pv": {"value": query.pv.replace("\\", "\\\\")}}})
    if query.severities:
        clauses.append({"terms": {"severity": sorted(NAMES[severity] for severity in query.severities)}})
    if query.kinds:
        clauses.append({"terms": {"kind": sorted(kind.value for kind in query.kinds)}})
    if query.user is not None:
        clauses.append({"term": {"user": query.user}})
    if query.text:
        clauses.append({"wildcard": {"text": {"value": f"*{_literal(fold(query.text))}*"}}})
    if query.after is not None:
        clauses.append(beyond(query.after.epoch, query.after.n, "gt" if query.oldest_first else "lt"))
    return all_of(clauses)


def by_id(way: str) -> list[Clause]:
    """The order of ids: `asc` or `desc`."""
    return [{"epoch": way}, {"n": way}]


def groups(sources: Sequence[Clause], query: Clause, after: Clause | None) -> dict[str, Any]:
    """A page of counts of groups. A composite is exact and bounded: terms by number of hits are neither, over several indices."""
    composite: dict[str, Any] = {"size": GROUPS_A_PAGE, "sources": list(sources)}
    if after is not None:
        composite["after"] = after
    return {"size": 0, "track_total_hits": False, "query": query, "aggs": {"groups": {"composite": composite}}}


def bars(bucket_s: int) -> Clause:
    """Groups by time, beginning at multiples of the width."""
    return {"at": {"date_histogram": {"field": "@timestamp", "fixed_interval": f"{bucket_s}s"}}}


def by_field(field: str) -> Clause:
    """Groups by a field; the group is called `label`."""
    return {"label": {"terms": {"field": field}}}


def _literal(text: str) -> str:
    """A text in a wild card pattern that stands for itself."""
    return "".join("\\" + character if character in "\\*?" else character for character in text)
