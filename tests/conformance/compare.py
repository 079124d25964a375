"""Compares what our engine published with what Phoebus was recorded publishing, path by path."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from tests.conformance.differences import Difference, Place, differences_of
from tests.conformance.player import Played
from tests.conformance.session import Published, Session, Window

_LATE_S = 0.5
"""So much earlier or later than recorded is the same time: Phoebus's loops turn each 100 ms, and its CA client has its pace."""
_MOMENT_S = 0.25
"""Records of one path that are closer to each other have one cause."""


@dataclass(frozen=True, slots=True)
class PathResult:
    """What came out for one path."""

    path: str
    deviation: str = ""
    """The first one; empty: none."""


def compare(session: Session, played: Played) -> list[PathResult]:
    """One result for each path of the session; a row of the differences that was of no use is a deviation of its path."""
    first: dict[str, str] = {}
    table = dict(differences_of(session.name))
    previous: dict[str, str] = {}
    paths = {key.partition(":")[2] for key in (session.imported | played.imported)}
    for key in session.imported | played.imported:
        expected, got = session.imported.get(key), played.imported.get(key)
        if expected != got:
            first.setdefault(key.partition(":")[2], f"{key}: imported as {got}, not {expected}")
    for window, ours in zip(session.windows, played.windows, strict=True):
        theirs_by_key, ours_by_key = _by_key(window.records), _by_key(ours)
        for key in sorted(theirs_by_key | ours_by_key):
            path = key.partition(":")[2]
            paths.add(path)
            difference = table.pop(Place(window.number, key), None)
            deviation = _deviation(window, key, theirs_by_key[key], ours_by_key[key], previous.get(key), difference)
            if deviation:
                first.setdefault(path, f"{window.text}: {key}: {deviation}")
            if theirs_by_key[key]:
                previous[key] = theirs_by_key[key][-1].text
    for (number, key), difference in table.items():
        paths.add(path := key.partition(":")[2])
        first.setdefault(path, f"step {number}: {key}: nothing was published, yet a difference is listed: {difference.reason}")
    return [PathResult(path, f"{session.name}: {first[path]}" if path in first else "") for path in sorted(paths)]


def _by_key(records: Sequence[Published]) -> defaultdict[str, list[Published]]:
    found: defaultdict[str, list[Published]] = defaultdict(list)
    for record in records:
        found[record.key].append(record)
    return found


def _deviation(
    window: Window, key: str, theirs: list[Published], ours: list[Published], before: str | None, difference: Difference | None
) -> str:
    expected, got = [r.text for r in theirs], [r.text for r in ours]
    if difference is not None:
        if expected == list(difference.ours):
            return f"a difference is listed where there is none: {difference.reason}"
        return "" if got == list(difference.ours) else _show(list(difference.ours), got) + f" (a listed difference: {difference.reason})"
    if any(record.is_node for record in theirs or ours):
        return _node_deviation(window, theirs, ours, before)
    if expected != got:
        return _show(expected, got)
    return _untimely(window, theirs, ours)


def _node_deviation(window: Window, theirs: list[Published], ours: list[Published], before: str | None) -> str:
    """Components are published once for each moment, after all alarms of it: what lay between is left out, and what came back."""
    expected, got = [r.text for r in theirs], [r.text for r in ours]
    if expected == got:
        return _untimely(window, theirs, ours)
    if window.is_burst:
        pointless = any(a == b for a, b in pairwise(got))
        ends = [texts[-1] if texts else before for texts in (expected, got)]
        return "" if not pointless and ends[0] == ends[1] else _show(expected, got)
    once = _once_a_moment(theirs, before)
    return _untimely(window, once, ours) if [r.text for r in once] == got else _show([r.text for r in once], got)


def _once_a_moment(records: list[Published], before: str | None) -> list[Published]:
    moments: list[list[Published]] = []
    for record in records:
        if moments and record.offset - moments[-1][-1].offset < _MOMENT_S:
            moments[-1].append(record)
        else:
            moments.append([record])
    kept = []
    for moment in moments:
        if len(moment) == 1 or moment[-1].text != before:
            kept.append(moment[-1])
        before = moment[-1].text
    return kept


def _untimely(window: Window, theirs: list[Published], ours: list[Published]) -> str:
    """Delays, dates and time-outs have their length; how long an IOC takes to be found again has none."""
    if window.is_burst:
        return ""
    for expected, got in zip(theirs, ours, strict=True):
        if abs(expected.offset - got.offset) > _LATE_S:
            return f"expected {expected.offset:.1f} s after the step, came after {got.offset:.1f} s: {got.text}"
    return ""


def _show(expected: list[str], got: list[str]) -> str:
    for number, (a, b) in enumerate(zip(expected, got, strict=False), 1):
        if a != b:
            return f"record {number}: expected {a}, got {b}"
    if len(expected) > len(got):
        return f"record {len(got) + 1}: expected {expected[len(got)]}, got none"
    return f"record {len(expected) + 1}: expected none, got {got[len(expected)]}"
