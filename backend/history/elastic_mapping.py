"""Fields of the documents, and the settings of their indices. Every field is named: an unknown one is refused (`strict`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from backend.history.elastic_names import Names
from backend.history.elastic_options import ElasticOptions

VERSION = 1
"""Of the fields. Whoever changes them counts it up; fields may be added, never changed."""

_KEYWORD = {"type": "keyword"}
_LONG = {"type": "long"}

EVENT_FIELDS: dict[str, dict[str, Any]] = {
    "config": _KEYWORD,
    "epoch": _LONG,
    "n": _LONG,
    "time": _LONG,
    # Nanoseconds. Not date_nanos, which takes numbers for milliseconds and ends at 2262; this one is exact in, out and in ranges.
    "@timestamp": {"type": "date", "format": "epoch_millis"},
    # The same in milliseconds, for bars (seconds at the least, so nothing is lost) and for people who look with Kibana.
    "path": _KEYWORD,
    "pv": _KEYWORD,
    "system": _KEYWORD,
    "kind": _KEYWORD,
    "severity": _KEYWORD,
    # Name, after the event.
    "user": _KEYWORD,
    "state": {"type": "short"},
    # What intervals show, see `intervals.encode_state`; absent: the event says nothing about it.
    "text": {"type": "keyword", "doc_values": False},
    # What is searched for a part of it, folded. Whole texts as terms: they repeat, so that a search looks at some thousand terms.
    "event": {"type": "keyword", "index": False, "doc_values": False},
    # The event as it is in the journal, from which it is restored exactly.
}

DEAD_FIELDS: dict[str, dict[str, Any]] = {
    "config": _KEYWORD,
    "key": _KEYWORD,
    "reason": {"type": "keyword", "ignore_above": 1000},
    "body": {"type": "binary"},
    "@timestamp": {"type": "date", "format": "epoch_millis"},
}

PAST_FIELDS: dict[str, dict[str, Any]] = {
    "config": _KEYWORD,
    "kind": _KEYWORD,
    # Checkpoint, one that is being made, or where complete history begins.
    "time": _LONG,
    "states": {"type": "binary"},
    # See `checkpoints.encode`.
}

SUMMARY_FIELDS: dict[str, dict[str, Any]] = {
    "config": _KEYWORD,
    "kind": _KEYWORD,
    # Part of the chain, whole day, end of a day, or the frontier.
    "start": _LONG,
    "end": _LONG,
    "epoch": _LONG,
    "n": _LONG,
    # The first event that is not in.
    "body": {"type": "binary"},
    # Summaries (`summaries.pack`), or what is known of the alarms at the end.
}


def mappings(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The mappings of an index with these fields."""
    return {"dynamic": "strict", "_meta": {"tocsin": VERSION}, "properties": dict(fields)}


def settings(options: ElasticOptions, *, events: bool) -> dict[str, Any]:
    """The settings of an index."""
    index: dict[str, Any] = {"number_of_shards": 1, "codec": "best_compression"}
    if options.replicas is None:
        index["auto_expand_replicas"] = "0-1"
    else:
        index["number_of_replicas"] = options.replicas
    if events:
        # Pages are read in this order, newest first: of each segment only the first rows are looked at.
        index["sort"] = {"field": ["epoch", "n"], "order": ["desc", "desc"]}
    return {"index": index}


def template(options: ElasticOptions, *, events: bool) -> dict[str, Any]:
    """The index template for events or dead letters, as arguments of `put_index_template`."""
    names = Names(options.prefix)
    return {
        "index_patterns": [names.all_events if events else names.all_dead],
        "priority": 500,
        "version": VERSION,
        "meta": {"description": "Alarm history of tocsin; written by it, do not edit"},
        "template": {
            "settings": settings(options, events=events),
            "mappings": mappings(EVENT_FIELDS if events else DEAD_FIELDS),
        },
    }


def conflicts(found: Mapping[str, Any], fields: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What in the mappings of an index is not as we need it, in words; empty if they are right."""
    known = found.get("properties", {})
    problems = [] if found.get("dynamic") == "strict" else [f"dynamic is {found.get('dynamic', 'true')}, expected strict"]
    for name, wanted in fields.items():
        if name not in known:
            problems.append(f"field {name} is missing")
            continue
        is_type = known[name].get("type", "object")
        if is_type != wanted["type"]:
            problems.append(f"field {name} is {is_type}, expected {wanted['type']}")
    return problems
