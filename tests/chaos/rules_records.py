"""Rules about the other records, and about what clients of the backend see."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

import orjson

from tests.chaos.evidence import Evidence, Violation

STALE_S = 8.0
"""Silence of the engine, in seconds, that must show: 5 s, a status each second, and what a busy machine takes."""
_SUMMARY = re.compile(r" (\d+) alarms?(:| while) ")
"""Of PVs that went together, and of what could not be spoken in time."""


def what_is_annunciated_is_spoken(evidence: Evidence) -> Iterator[Violation]:
    """For each event that says so there is something to say: for itself, or in one sentence that says for how many."""
    spoken: Counter[tuple[str, str]] = Counter()
    summed_up = 0
    for seen in evidence.topic("Talk"):
        data = orjson.loads(seen.value or b"{}")
        path = seen.key.removeprefix("talk:")
        summary = _SUMMARY.match(data.get("talk", "")) if path == f"/{evidence.config}" else None
        if summary is not None:
            summed_up += int(summary[1])
        else:
            spoken[path, data.get("severity", "")] += 1
    told = Counter((event.path, str(event.data["to"])) for event in evidence.events if event.data.get("annunciated"))
    lacking = told - spoken
    if lacking.total() > summed_up:
        for (path, severity), number in lacking.items():
            times = f"{told[path, severity]} times and spoken {number} times less; {summed_up} were summed up"
            yield Violation("talk", f"{path} was annunciated as {severity} {times}")


def what_was_aborted_is_published_again(evidence: Evidence) -> Iterator[Violation]:
    """A state that stock clients have seen, although its transaction was aborted, is followed by a committed one of the same key."""
    if not evidence.calm:
        return
    committed = {(seen.topic, seen.offset) for seen in evidence.committed}
    last = {(seen.topic, seen.key): seen.offset for seen in evidence.committed}
    for seen in evidence.uncommitted:
        if seen.topic != evidence.config or (seen.topic, seen.offset) in committed or seen.key.endswith("(transaction ended)"):
            continue  # the last one is no alarm: it ends a transaction whose marks a broker forgot, as it was ended elsewhere
        if last.get((seen.topic, seen.key), -1) < seen.offset:
            yield Violation("aborted", f"{seen.key} at {seen.offset} was aborted and not published again: {(seen.value or b'')[:120]!r}")


def states_are_of_the_newest_event(evidence: Evidence) -> Iterator[Violation]:
    """The last state record of an alarm says what its last event says."""
    if not evidence.calm:
        return
    last = {state.path: state for state in evidence.states}
    for path, events in evidence.events_of.items():
        state, event = last.get(path), events[-1]
        if event.kind == "removed":
            continue
        if state is None or state.data["severity"] != event.state["alarm"][0]:
            yield Violation("state", f"{event}, and its state record is {state.data if state else None}")


def states_are_the_truth_in_the_end(evidence: Evidence) -> Iterator[Violation]:
    """When all is calm, each alarm knows what its PV says."""
    if not evidence.calm:
        return
    for one in {one.pv: one for one in evidence.truth}.values():
        events = evidence.events_of.get(evidence.leaves[one.pv].path, [])
        found = events[-1].current if events else ("nothing", "", "", 0)
        if one.sure and (found[0] != one.severity or not events[-1].connected):
            yield Violation("truth", f"{one.pv} is {one.severity} since {one.time}, and the last event is {events[-1] if events else None}")


def clients_of_the_stream_see_all_of_it(evidence: Evidence) -> Iterator[Violation]:
    """From the first event that a client of the stream saw it sees each one, once and in order; a gap that it is told of begins anew."""
    order = {event.id: number for number, event in enumerate(evidence.events)}
    parts: list[list[str]] = [[]]
    for message in evidence.stream:
        if message.kind == "reset":
            parts.append([])
        elif message.kind == "event":
            parts[-1].append(message.id)
    for seen in filter(None, parts):
        strange = [name for name in seen if name not in order]
        if strange:
            yield Violation("stream", f"events that were never committed: {strange[:5]}")
            continue
        begin = order[seen[0]]
        whole = evidence.calm and seen is parts[-1]
        wanted = [event.id for event in evidence.events[begin : None if whole else begin + len(seen)]]
        if seen != wanted:
            missing = [name for name in wanted if name not in set(seen)]
            twice = [name for name, number in Counter(seen).items() if number > 1]
            yield Violation("stream", f"a client missed {len(missing)} events {missing[:5]}, saw twice {twice[:5]}, or in another order")


def silence_looks_stale(evidence: Evidence) -> Iterator[Violation]:
    """While no engine gives a life sign the stream says stale: never a false "all quiet"."""
    signs = [seen.at for seen in evidence.committed if seen.topic.endswith("Status") and seen.key == f"status:/{evidence.config}"]
    signs = signs or [seen.at for seen in evidence.committed if seen.topic.endswith("Status")]
    signs.sort()
    index = 0
    for message in evidence.stream:
        while index < len(signs) and signs[index] <= message.at:
            index += 1
        silent_s = (message.at - signs[index - 1]) / 1e9 if index else 0.0
        if message.kind == "status" and silent_s > STALE_S and not message.data.get("stale"):
            yield Violation("all quiet", f"no life sign for {silent_s:.1f} s at {message.at}, and the stream does not say stale")
