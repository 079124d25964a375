"""Taking over a configuration from a Phoebus server: its topics as it left them, on a real broker, with the variables on a real IOC.

Nothing that it knew is lost or told again, what changed while nobody watched is told, and what we leave can be read by its clients.
"""

from __future__ import annotations

import json
from datetime import UTC

import pytest
import structlog

from alarm_engine.model.event import EventKind
from alarm_engine.model.settings import AlarmSettings
from alarm_engine.model.severity import Severity
from alarm_engine.wire.config import decode_config
from alarm_engine.wire.state import LeafState, decode_state
from tests.conformance.kafka_site import as_phoebus_makes_them
from tests.contract.kafka_topics import servers_or_skip
from tests.system.phoebus_site import DATA, PhoebusTopics, Recording, Taken, shapes, taken_over, until

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]

STARTED = b'{"standout":false,"severity":"OK","talk":" Alarm server started. Everything is going to be all right."}'
CUTS = [
    ("latching", 4.5, '{"severity":"MAJOR","latch":true'),
    ("latching", 7.0, '"current_severity":"MINOR"'),
    ("latching", 8.0, '{"severity":"MAJOR","message":"HIHI_ALARM"'),
    ("latching", 20.0, '{"severity":"MAJOR_ACK","message":"HIHI_ALARM"'),
    ("delay_count", 101.2, '"current_severity":"MAJOR"'),
    ("enablement", 1.0, '"message":"Disabled"'),
    ("enablement", 150.0, '{"severity":"MAJOR_ACK","latch":true'),
    ("tree_edits", 84.0, '{"severity":"MAJOR_ACK","message":"HIHI_ALARM"'),
    ("modes_talk", 34.0, '{"severity":"INVALID_ACK"'),
    ("modes_talk", 34.0, '"mode":"maintenance"'),
    ("connection", 21.9, '{"severity":"UNDEFINED_ACK"'),
]
"""Sessions, when their server was stopped, and what then stood in a state record, so that the case is what it is meant to be."""
BAD_PV = r"/Conn/xyz:\/\/bad"
"""A protocol that we have not: "No PV" instead of "Disconnected"."""


@pytest.fixture
def servers() -> str:
    return servers_or_skip()


@pytest.mark.parametrize(("session", "seconds", "holds"), CUTS)
async def test_nothing_is_lost_and_nothing_is_told_again(servers, session, seconds, holds):
    recording = Recording.until(session, seconds)
    with PhoebusTopics(servers, recording.config) as site, recording.start_ioc():
        site.write(recording.records)
        ends = site.client.ends([site.topics.config, site.topics.talk])
        left = last_states(recording)
        assert any(holds in value.decode() for value in left.values())
        async with taken_over(site) as taken:
            taken.settle()
            states = {path: value for path, value in site.last("state").items() if path != BAD_PV}
            assert states == {path: value for path, value in left.items() if path != BAD_PV}
            assert taken.runner.evaluator.switches.maintenance == any(b"maintenance" in value for value in left.values())
            leaves = taken.runner.evaluator.tree.leaves
            for path, value in left.items():
                state = decode_state(value)
                if isinstance(state, LeafState) and path != BAD_PV:
                    assert leaves[path].logic.alarm == state.alarm
            assert leaves.keys() | taken.runner.evaluator.tree.nodes.keys() >= states.keys() >= leaves.keys() - {BAD_PV}
            talks = [r.value for r in site.records[site.topics.talk] if r.offset >= ends[site.topics.talk]]
            assert talks == [STARTED]
            assert not [r.key for r in site.records[site.topics.config] if r.offset >= ends[site.topics.config] and b"config:" in r.key]
            first = site.events()[0]
            assert (first.kind, first.path, first.reason) == (EventKind.ENGINE, f"/{site.config}", "took over the configuration")
            acknowledge_all(taken)


def acknowledge_all(taken: Taken) -> None:
    """As a Phoebus client does, and all of it is."""
    site, root = taken.site, f"/{taken.site.config}"
    before = site.last("state")
    site.command(root)
    event = taken.until_event(lambda e: e.kind is EventKind.COMMAND and e.path == root)
    assert (event.user, event.host) == ("mara", "ops7")
    tree = taken.runner.evaluator.tree
    for path, value in site.last("state").items():
        if path not in tree.leaves and path not in tree.nodes:
            continue
        assert not decode_severity(value).is_active, (path, value)
        if decode_severity(before[path]) is Severity.OK:
            assert decode_severity(value) is Severity.OK


def decode_severity(value: bytes) -> Severity:
    state = decode_state(value)
    return state.alarm.severity if isinstance(state, LeafState) else state.severity


def last_states(recording: Recording) -> dict[str, bytes]:
    states = {key.partition(":")[2]: value for _, key, value in recording.records if key.startswith("state:")}
    return {path: value for path, value in states.items() if value is not None}


async def test_a_delay_that_ran_at_the_end_comes_true(servers):
    recording = Recording.until("delay_count", 101.2)
    with PhoebusTopics(servers, recording.config) as site, recording.start_ioc():
        site.write(recording.records)
        async with taken_over(site) as taken:
            for name in ("D:l", "D:n"):
                event = taken.until_event(lambda e, name=name: e.kind is EventKind.ALARM and e.path.endswith(name))
                assert (event.from_severity, event.to_severity, event.annunciated) == (Severity.MINOR_ACK, Severity.MAJOR, True)


async def test_what_changed_while_nobody_watched_is_an_alarm(servers):
    recording = Recording.until("latching", 20.0)
    with PhoebusTopics(servers, recording.config) as site, recording.start_ioc() as ioc:
        site.write(recording.records)
        ioc.put("L:bo", 1)
        ioc.put("L:lat", -12)  # acknowledged as MAJOR, and INVALID is more than that
        async with taken_over(site) as taken:
            taken.settle()
            alarms = {e.path: (e.from_severity, e.to_severity, e.annunciated) for e in site.events() if e.kind is EventKind.ALARM}
            assert alarms == {
                "/Latch/Area/Sys2/L:bo": (Severity.OK, Severity.MAJOR, True),
                "/Latch/Area/Sys1/L:lat": (Severity.MAJOR_ACK, Severity.INVALID, True),
            }
            assert next(event.kind for event in site.events()) is EventKind.ENGINE
            talks = {record.key: record.value for record in site.records[site.topics.talk]}
            assert talks[b"talk:/Latch/Area/Sys2/L:bo"] == b'{"standout":false,"severity":"MAJOR","talk":"MAJOR Alarm: Trip"}'
            assert decode_severity(site.last("state")["/Latch"]) is Severity.INVALID
            acknowledge_all(taken)


async def test_settings_of_every_kind_are_kept_and_left_alone(servers):
    """Every field that Phoebus can write, odd names included, and a date that lies ahead."""
    full = json.loads((DATA / "records.json").read_text(encoding="utf-8"))
    written = {r["key"]: r["raw"].encode() for r in full["import"]["records"]} | {
        "config:/Full/Dated": b'{"user":"sam","host":"ops7","description":"Dated","enabled":"2040-01-02T03:04:05"}',
    }
    with PhoebusTopics(servers, "Full") as site:
        site.write((site.topics.config, key, value) for key, value in written.items())
        (end,) = site.client.ends([site.topics.config]).values()
        async with taken_over(site) as taken:
            taken.settle()
            tree = taken.runner.evaluator.tree
            for key, value in written.items():
                path = key.partition(":")[2]
                expected = decode_config(value, UTC).settings
                found = tree.leaves[path].settings if isinstance(expected, AlarmSettings) else tree.nodes[path].settings
                assert found == expected, path
            assert tree.leaves["/Full/Dated"].suppression is not None
            assert tree.leaves.keys() <= site.last("state").keys()
            assert not [r.key for r in site.records["Full"] if r.offset >= end and r.key.startswith(b"config:")]


HUGE = b'{"user":"sam","host":"ops7","guidance":[{"title":"G","details":"' + b"x" * 900_000 + b'"}]}'
BROKEN: list[tuple[str, bytes]] = [
    ("config:/Latch/Area/Sys1/L:lat", b'{"description":'),
    ("config:/Latch/Area/Sys1/L:lat", b"[1]"),
    ("config:/Latch/Area/Sys1/L:lat", b"\xff\xfe"),
    ("config:/Latch/Area/Sys1/L:lat", b'{"severity":"OK"}'),
    ("config:/Latch/Big", b'{"description":"' + b"x" * 900_000),
    ("state:/Latch/Area/Sys1/L:lat/odd", b'{"severity":"ODD"}'),
    ("other:/Latch/Area", b"{}"),
    ("nokey", b"{}"),
]
NO_COMMANDS: list[tuple[str | None, bytes]] = [
    (None, b"{}"),
    ("command:/Latch", b"no json"),
    ("command:/Latch", b'{"command":5}'),
    ("command:/Latch", b'{"command":"dance"}'),
]
ODD_KEY = b"config:/Latch/\xff\xfe"


async def test_broken_records_are_skipped_by_name_and_everything_else_lives(servers):
    recording = Recording.until("latching", 20.0)
    with PhoebusTopics(servers, recording.config) as site, recording.start_ioc():
        config = site.topics.config
        site.write(recording.records)
        (begin,) = site.client.ends([config]).values()
        site.write([(config, ODD_KEY, b'{"description":"odd"}'), *((config, key, value) for key, value in BROKEN)])
        site.write([(config, "config:/Latch/Area2/Big", HUGE), (config, r"config:/Latch/Area2/L:num\/1", b'{"description":"Slash"}')])
        left = last_states(recording)
        with structlog.testing.capture_logs() as log:
            async with taken_over(site) as taken:
                taken.settle()
                assert taken.runner.broken == len(BROKEN) + 1  # and the key that is not UTF-8
                assert skipped(log, config) == set(range(begin, begin + 1 + len(BROKEN)))
                tree = taken.runner.evaluator.tree
                assert len(tree.nodes["/Latch/Area2/Big"].settings.guidance[0].details) == 900_000
                assert tree.leaves[r"/Latch/Area2/L:num\/1"].pv == "L:num/1"
                assert left.items() <= {**site.last("state"), **{"/Latch": left["/Latch"], "/Latch/Area2": left["/Latch/Area2"]}}.items()
                # The same while it runs. A state record is not read then: those are our own.
                (begin,) = site.client.ends([config]).values()
                site.write([(config, ODD_KEY, b'{"description":"odd"}'), *((config, key, value) for key, value in BROKEN)])
                site.write((site.topics.command, key, value) for key, value in NO_COMMANDS)
                taken.settle()
                states = sum(key.startswith("state:") for key, _ in BROKEN)
                assert taken.runner.broken == 2 * (1 + len(BROKEN)) - states + len(NO_COMMANDS)
                assert len(skipped(log, config)) == 2 * (1 + len(BROKEN)) - states
                assert len(skipped(log, site.topics.command)) == len(NO_COMMANDS)
                acknowledge_all(taken)


def skipped(log: list, topic: str) -> set[int]:
    """Offsets of records that a message names."""
    return {entry["offset"] for entry in log if entry["event"] == "record skipped" and entry["topic"] == topic and entry["problem"]}


@pytest.mark.parametrize("there", [0, 1, 2])
async def test_topics_that_are_missing_are_made(servers, there):
    recording = Recording.until("latching", 20.0)
    site = PhoebusTopics(servers, recording.config)
    try:
        made = as_phoebus_makes_them(site.topics)[: there + 1]
        site.make(made)
        names = {topic.topic for topic in made}
        site.write(record for record in recording.records if record[0] in names)
        with recording.start_ioc():
            async with taken_over(site) as taken:
                taken.settle()
                assert {spec.name for spec in site.topics.specs()} <= site.client.admin.list_topics(timeout=10).topics.keys()
                assert {p: v for p, v in site.last("state").items() if p in last_states(recording)} == last_states(recording)
                acknowledge_all(taken)
    finally:
        site.__exit__()


async def test_what_we_leave_has_the_form_of_phoebus(servers):
    """A stock alarm logger stops on an unknown field; every alarm and component has a state, and no header is needed to read it."""
    known = recorded_shapes()
    recording = Recording.until("modes_talk", 34.0)
    with PhoebusTopics(servers, recording.config) as site, recording.start_ioc() as ioc:
        site.write(recording.records)
        ends = site.client.ends([site.topics.config, site.topics.talk])
        async with taken_over(site) as taken:
            taken.settle()
            for command in ("normal", "disable_notify", "acknowledge", "unacknowledge", "enable_notify"):
                site.command("/Modes", command)
                taken.settle()
            ioc.put("M:bang", 12)
            until(lambda: taken.runner.evaluator.tree.leaves["/Modes/Talk/M:bang"].current.severity is Severity.MAJOR, "MAJOR")
            taken.settle()
            tree = taken.runner.evaluator.tree
            assert site.last("state").keys() == tree.leaves.keys() | tree.nodes.keys()
        written = [record for name in ends for record in site.records[name] if record.offset >= ends[name]]
        ours = [(record.key, record.value) for record in written if not record.key.startswith(b"command:")]
        for kind in ("state", "talk"):
            values = {f"{number}": value for number, (key, value) in enumerate(ours) if key.startswith(kind.encode()) and value}
            assert len(values) > 1
            assert set(shapes(values)) <= known[kind]
        assert not [key for key, _ in ours if key.partition(b":")[0] not in (b"state", b"talk")]


def recorded_shapes() -> dict[str, set[tuple[str, ...]]]:
    """The fields of each kind of record, in their order, as the server was seen to write them."""
    records = json.loads((DATA / "records.json").read_text(encoding="utf-8"))
    found: dict[str, set[tuple[str, ...]]] = {}
    for record in [r for r in records["seen"] if r["written_by"] == "Phoebus"] + records["writer"]:
        if record["raw"]:
            found.setdefault(record["key"].partition(":")[0], set()).add(tuple(json.loads(record["raw"])))
    return found
