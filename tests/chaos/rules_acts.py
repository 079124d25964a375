"""Rules about what operators do: it is done once, or refused aloud, and it is kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

from tests.chaos.evidence import Evidence, Violation

ANSWERS = frozenset({"command", "refused"})


def acknowledgements_are_kept(evidence: Evidence) -> Iterator[Violation]:
    """Who took notice, and when, stands for as long as the alarm is acknowledged."""
    for events in evidence.events_of.values():
        for event in events:
            if str(event.data["to"]).endswith("_ACK") and not event.state.get("suppression") and not event.state.get("ack"):
                yield Violation("acknowledgement", f"{event} does not say who acknowledged")
        for before, event in pairwise(events):
            both = all(str(one.data["to"]).endswith("_ACK") for one in (before, event))
            if both and event.kind != "acknowledged" and event.state.get("ack") != before.state.get("ack"):
                yield Violation("acknowledgement", f"{before.state.get('ack')} became {event.state.get('ack')} by {event}")
    users = {one.id: one.user for one in evidence.sent}
    for event in evidence.events:
        if event.kind == "acknowledged" and event.data.get("correlation") in users:
            said = (event.state.get("ack") or {}).get("user", event.data.get("user"))
            if said != users[event.data["correlation"]]:
                yield Violation("acknowledgement", f"{event}: {users[event.data['correlation']]} acknowledged, and it says {said}")


def commands_are_answered(evidence: Evidence) -> Iterator[Violation]:
    """Each command that the broker has is closed by an event: done, or refused with the reason. Each answer says the same."""
    if not evidence.calm:
        return
    answers: dict[str, list[str]] = {}
    for event in evidence.events:
        if event.kind in ANSWERS and (correlation := event.data.get("correlation")):
            answers.setdefault(correlation, []).append(event.kind)
    for one in evidence.sent:
        found = answers.get(one.id, [])
        if one.confirmed and not found:
            yield Violation("command", f"{one.kind} {one.path} of {one.user} ({one.id}, sent {one.time}) was never answered")
        if len(found) > one.sent:
            yield Violation("command", f"{one.kind} {one.path} ({one.id}) was sent {one.sent} times and answered {len(found)} times")
        if len(set(found)) > 1:
            yield Violation("command", f"{one.kind} {one.path} ({one.id}) was answered {', '.join(found)}")


def commands_act_once(evidence: Evidence) -> Iterator[Violation]:
    """A command has its effect on an alarm once, however often it was sent, and none if it was refused."""
    effects = Counter(
        (event.data["correlation"], event.path, event.kind)
        for event in evidence.events
        if event.state and event.kind not in ANSWERS and event.data.get("correlation")
    )
    for (correlation, path, kind), number in effects.items():
        if number > 1:
            yield Violation("command", f"{correlation} has {kind} {path} {number} times")
    refused = {event.data.get("correlation") for event in evidence.events if event.kind == "refused"}
    for correlation, path, kind in effects:
        if correlation in refused:
            yield Violation("command", f"{correlation} was refused and has {kind} {path} all the same")
