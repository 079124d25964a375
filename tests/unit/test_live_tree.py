"""The live tree: any interleaving of the topics gives the same tree, and it is the engine's."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alarm_engine.evaluator import Cause, Commander, Evaluator, EvaluatorSettings
from alarm_engine.evaluator.configuration import configure, known_settings, remove
from alarm_engine.journal.port import Record, StoredRecord
from alarm_engine.model.command import Command, CommandKind
from alarm_engine.model.event import Event, EventKind
from alarm_engine.model.reading import Connection, Reading
from alarm_engine.model.settings import AlarmSettings, NodeSettings, TitledText
from alarm_engine.model.severity import Severity
from alarm_engine.model.state import Alarm, EventId, Sample, Snapshot
from alarm_engine.model.times import NANOS_PER_SECOND, Moment, Monotonic, Nanos
from alarm_engine.publisher import Publisher
from alarm_engine.wire.config import decode_config, encode_config
from alarm_engine.wire.event import encode_event
from alarm_engine.wire.keys import RecordType, key
from alarm_engine.wire.state import encode_leaf_state
from alarm_engine.wire.topics import Topics
from backend.live.standing import Standing, standing
from backend.live.tree import Tree

T = Topics("Acc")
S = Severity
PATHS = ("/Acc/Vac/GC1", "/Acc/Vac/GC2", "/Acc/Vac/Ring/GC10", "/Acc/RF/P1", "/Acc/TOP")
NODES = ("/Acc", "/Acc/Vac", "/Acc/Vac/Ring", "/Acc/RF")
START = Moment(Nanos(1_800_000_000 * NANOS_PER_SECOND), Monotonic(0))


@dataclass
class Script:
    """Plays an engine and its clients, and keeps what they write."""

    now: Moment = START
    records: list[StoredRecord] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.evaluator = Evaluator(EvaluatorSettings("Acc"), 7, START.wall)
        self.commander = Commander(self.evaluator)
        self.publisher = Publisher(None, T, UTC, 7)  # type: ignore[arg-type]
        self.evaluator.begin(self.now)
        self.publish()

    def write(self, records: list[Record]) -> None:
        for r in records:
            self.records.append(StoredRecord(r.topic, len(self.records), self.now.wall, r.key, r.value, r.headers))

    def publish(self) -> None:
        self.write(self.publisher.records(self.evaluator.take(self.now)))
        self.now = self.now.plus_s(1)

    def config(self, path: str, settings: AlarmSettings | NodeSettings) -> None:
        value = encode_config(settings, "sam", "git", UTC)
        self.write([Record(T.config, key(RecordType.CONFIG, path), value)])
        read = decode_config(value, UTC, known_settings(self.evaluator, path)).settings
        assert read is not None
        configure(self.evaluator, path, read, Cause("sam"), self.now)
        self.publish()

    def remove(self, path: str) -> None:
        self.write([Record(T.config, key(RecordType.CONFIG, path), None)])
        remove(self.evaluator, path, Cause("sam"), self.now)
        self.publish()

    def sample(self, path: str, severity: Severity) -> None:
        pv = path.rpartition("/")[2]
        reading = Reading(pv, severity, "NO_ALARM" if severity is S.OK else "HIHI_ALARM", "1.5", self.now.wall, self.now.monotonic)
        self.evaluator.feed([reading], self.now)
        self.publish()

    def connection(self, path: str, up: bool) -> None:
        pv = path.rpartition("/")[2]
        self.evaluator.feed([Connection(pv, up, "", self.now.wall, self.now.monotonic)], self.now)
        self.publish()

    def command(self, kind: CommandKind, path: str) -> None:
        until = self.now.plus_s(20).wall if kind is CommandKind.SHELVE else None
        command = Command(path, kind, "mara", "ops7", f"c{len(self.records)}", "because", until=until, sent=self.now.wall)
        self.commander.execute(command, self.now)
        self.publish()

    def wait(self) -> None:
        self.now = self.now.plus_s(15)
        self.evaluator.tick(self.now)
        self.publish()

    def foreign(self, path: str, severity: Severity) -> None:
        """A Phoebus server that was left running."""
        value = encode_leaf_state(Alarm(severity, "FOREIGN", "9", self.now.wall), Sample(severity, "FOREIGN", "9", self.now.wall))
        self.write([Record(T.config, key(RecordType.STATE, path), value)])
        self.now = self.now.plus_s(1)


paths = st.sampled_from(PATHS)
severities = st.sampled_from([S.OK, S.MINOR, S.MAJOR, S.INVALID])
kinds = st.sampled_from(
    [CommandKind(k) for k in ("acknowledge", "unacknowledge", "shelve", "unshelve", "disable", "enable", "maintenance", "normal")]
)
own_step = st.one_of(
    st.tuples(st.just("sample"), paths, severities),
    st.tuples(st.just("sample"), paths, severities),
    st.tuples(st.just("connection"), paths, st.booleans()),
    st.tuples(st.just("command"), kinds, st.sampled_from(PATHS + NODES)),
    st.tuples(
        st.just("config"), paths, st.builds(AlarmSettings, st.sampled_from(["a", "b"]), enabled=st.booleans(), latching=st.booleans())
    ),
    st.tuples(st.just("config"), st.sampled_from(NODES), st.builds(NodeSettings, st.just((TitledText("t", "d"),)))),
    st.tuples(st.just("remove"), st.sampled_from(PATHS + NODES[1:])),
    st.tuples(st.just("wait")),
)
foreign_step = st.tuples(st.just("foreign"), paths, severities)


def play(steps) -> Script:
    script = Script()
    for path in PATHS[:4]:
        script.config(path, AlarmSettings("as first"))
    for name, *arguments in steps:
        getattr(script, name)(*arguments)
    return script


def grown(records) -> Tree:
    tree = Tree("Acc", UTC)
    for record in records:
        tree.apply(record)
    tree.settle()
    return tree


def interleaved(records, seed: int):
    """The same records, each topic in its order, the topics mixed anew."""
    chance = random.Random(seed)
    queues = {topic: [r for r in records if r.topic == topic] for topic in {r.topic for r in records}}
    mixed = []
    while queues:
        topic = chance.choice(sorted(queues))
        for _ in range(chance.choice((1, 1, 3, 50))):
            if queues[topic]:
                mixed.append(queues[topic].pop(0))
        if not queues[topic]:
            del queues[topic]
    return mixed


def picture(tree: Tree):
    """Everything that others see."""
    alarms = {p: (a.settings, a.snapshot, a.version, a.pv, a.system) for p, a in tree.alarms.items()}
    nodes = {p: (n.settings, n.severity, n.counts, list(n.nodes), list(n.alarms)) for p, n in tree.nodes.items()}
    return (
        alarms,
        nodes,
        tree.as_of,
        tree.maintenance,
        tree.notify,
        {one: sorted(alarms) for one, alarms in tree.notable.items()},
        [e.id for e in tree.ring.after(None) or []],
    )


def written(script: Script):
    return [r for r in script.records if r.topic in (T.config, T.runtime, T.events)]


@settings(deadline=None, max_examples=150)
@given(st.lists(st.one_of(own_step, own_step, foreign_step), max_size=25), st.integers(0, 2**32))
def test_any_interleaving_of_the_topics_gives_the_same_tree(steps, seed):
    records = written(play(steps))
    assert picture(grown(interleaved(records, seed))) == picture(grown(records))


@settings(deadline=None, max_examples=150)
@given(st.lists(own_step, max_size=30))
def test_it_is_the_tree_of_the_engine(steps):
    script = play(steps)
    tree, engine = grown(written(script)), script.evaluator.tree
    assert set(tree.alarms) == set(engine.leaves)
    for path, leaf in engine.leaves.items():
        alarm, snapshot = tree.alarms[path], tree.alarms[path].snapshot
        assert snapshot is not None
        assert alarm.version == leaf.version
        assert (snapshot.alarm, snapshot.rise) == (leaf.logic.alarm, leaf.rise)
        assert snapshot.current.severity == leaf.current.severity  # also behind a suppression
        assert (snapshot.acknowledgement, snapshot.suppression) == (leaf.snapshot().acknowledgement, leaf.snapshot().suppression)
    for path, node in engine.nodes.items():
        # What never had an alarm or settings in the journal is not there, and OK.
        assert (tree.nodes[path].severity if path in tree.nodes else S.OK) == node.tally.highest()
    assert tree.maintenance == script.evaluator.switches.maintenance


@settings(deadline=None, max_examples=100)
@given(st.lists(own_step, max_size=25), st.integers(0, 25))
def test_compacted_topics_give_the_same_states(steps, events_kept):
    """A backend that starts later finds the last record of each key, and the newest events only."""
    script = play(steps)
    records = written(script)
    last = {(r.topic, r.key): r.offset for r in records}
    events = [r for r in records if r.topic == T.events]
    kept = {r.offset for r in events[len(events) - events_kept :]}
    later = [r for r in records if (r.offset in kept if r.topic == T.events else last[r.topic, r.key] == r.offset)]
    whole, part = grown(records), grown(later)
    assert set(part.alarms) >= set(whole.alarms)
    for path, alarm in whole.alarms.items():
        twin = part.alarms[path]
        assert (twin.settings, twin.severity) == (alarm.settings, alarm.severity)
        assert standing(twin) == standing(alarm)
        if alarm.snapshot and twin.snapshot:
            assert twin.snapshot.acknowledgement == alarm.snapshot.acknowledgement
            assert twin.snapshot.rise == alarm.snapshot.rise


@settings(deadline=None, max_examples=50)
@given(st.lists(st.one_of(own_step, foreign_step), max_size=25))
def test_counts_are_those_of_the_alarms_below(steps):
    tree = grown(written(play(steps)))
    for path, node in tree.nodes.items():
        below = [a for p, a in tree.alarms.items() if p.startswith(path + "/")]
        seen = [a for a in below if standing(a) not in (Standing.SHELVED, Standing.DISABLED, Standing.UNKNOWN)]
        assert node.counts.total == len(below)
        assert node.counts.shelved == sum(standing(a) is Standing.SHELVED for a in below)
        assert node.counts.disabled == sum(standing(a) is Standing.DISABLED for a in below)
        assert node.counts.unknown == sum(standing(a) is Standing.UNKNOWN for a in below)
        assert node.counts.severities == [sum(a.severity is severity for a in seen) for severity in S]
        assert node.severity == max((a.severity for a in seen), default=S.OK)
    for what, alarms in tree.notable.items():
        assert set(alarms) == {p for p, a in tree.alarms.items() if standing(a) is what}


# ---------------------------------------------------------------- single facts


def stored(topic: str, record_key: str, value: bytes | None, offset: int = 0, time: int = 0) -> StoredRecord:
    return StoredRecord(topic, offset, Nanos(time), record_key, value, ())


def configured(*names: str) -> list[StoredRecord]:
    value = encode_config(AlarmSettings("d"), "u", "h", UTC)
    return [stored(T.config, f"config:{path}", value) for path in names]


def test_siblings_stand_in_natural_order():
    tree = grown(configured("/Acc/S/X:10", "/Acc/S/X:2", "/Acc/S/X:02", "/Acc/S10/A", "/Acc/S9/A", "/Acc/a", "/Acc/B"))
    assert list(tree.nodes["/Acc/S"].alarms) == ["X:02", "X:2", "X:10"]
    assert list(tree.root.nodes) == ["S", "S9", "S10"]


def test_a_removed_component_takes_everything_below_with_it():
    tree = grown([*configured("/Acc/S/A", "/Acc/S/T/B", "/Acc/C"), stored(T.config, "config:/Acc/S", None)])
    assert set(tree.alarms) == {"/Acc/C"}
    assert set(tree.nodes) == {"/Acc"}
    assert tree.root.counts.total == 1


@pytest.mark.parametrize(
    ("topic", "record_key", "value"),
    [
        (T.config, "config:/Acc/S/A", b"{"),
        (T.config, "config:/Other/S/A", b'{"description":"x"}'),
        (T.config, "nonsense", b"{}"),
        (T.config, "talk:/Acc/S/A", b"{}"),
        (T.config, "config:/Acc" + "/S" * 5000, b'{"description":"x"}'),
        (T.config, "config:/Acc", b'{"severity":"OK"}'),
        (T.config, "config:/Acc/S/A/below", b'{"description":"x"}'),
        (T.config, "state:/Acc/S/A", b'{"severity":"TERRIBLE"}'),
        (T.config, "state:/Acc/S/A", b'{"severity":"OK","current_severity":"OK","time":{"seconds":"x","nano":"y"}}'),
        (T.runtime, "runtime:/Acc/S/A", b'{"v":99}'),
        (T.runtime, "runtime:/Acc", b"[]"),
        (T.events, "event:/Acc/S/A", b"\xff\xfe"),
        (T.events, "event:/Acc/S/A", None),
        (T.events, "event:/Acc/S/A", b'{"v":1,"id":"Other.1.1","time":1,"kind":"engine","path":"/Acc","from":"OK","to":"OK"}'),
        (T.events, "event:/Acc/S/A", b'{"v":1,"id":"Acc.1.1","time":1,"kind":"new","path":"/Acc","from":"OK","to":"OK"}'),
    ],
)
def test_a_broken_record_is_counted_and_harms_nothing_else(topic, record_key, value):
    tree = grown([*configured("/Acc/S/A"), stored(topic, record_key, value), *configured("/Acc/S/B")])
    assert tree.broken == 1
    assert set(tree.alarms) == {"/Acc/S/A", "/Acc/S/B"}
    assert tree.as_of is None


def test_an_alarm_that_no_engine_has_spoken_of_is_not_ok():
    tree = grown(configured("/Acc/S/A"))
    assert standing(tree.alarms["/Acc/S/A"]) is Standing.UNKNOWN
    assert tree.root.counts.unknown == 1
    assert tree.root.counts.severities == [0] * 9


def test_what_an_alarm_below_another_one_says_is_refused_without_harm():
    tree = grown(configured("/Acc/S", "/Acc/S/A"))
    assert set(tree.alarms) == {"/Acc/S"}
    assert tree.broken == 1


def spoken(n: int, severity: Severity, time: int, kind: EventKind = EventKind.CHANGED) -> StoredRecord:
    """An event of an engine about /Acc/S/A, with a state."""
    sample = Sample(severity, "OWN", "1", Nanos(time))
    snapshot = Snapshot(Alarm(*sample), sample, True, Nanos(time))
    event = Event(EventId("Acc", 7, n), Nanos(time), kind, "/Acc/S/A", S.OK, severity, snapshot=snapshot)
    return stored(T.events, "event:/Acc/S/A", encode_event(event), time=time)


def test_an_event_that_is_written_again_does_not_bring_an_old_state_back():
    first, second = spoken(1, S.MAJOR, 10), spoken(2, S.OK, 20)
    tree = grown([*configured("/Acc/S/A"), first, second, first])
    assert tree.alarms["/Acc/S/A"].severity is S.OK
    assert [e.id.n for e in tree.ring.after(None)] == [1, 2]


def test_a_foreign_writer_is_believed_until_the_engine_says_something_newer():
    value = encode_leaf_state(Alarm(S.INVALID, "FOREIGN", "9", Nanos(15)), Sample(S.INVALID, "FOREIGN", "9", Nanos(15)))
    foreign = stored(T.config, "state:/Acc/S/A", value, time=15)
    before, after = spoken(1, S.MINOR, 10), spoken(2, S.MAJOR, 20)
    assert grown([*configured("/Acc/S/A"), before, foreign]).alarms["/Acc/S/A"].severity is S.INVALID
    assert grown([*configured("/Acc/S/A"), foreign, before]).alarms["/Acc/S/A"].severity is S.INVALID
    assert grown([*configured("/Acc/S/A"), before, foreign, after]).alarms["/Acc/S/A"].severity is S.MAJOR
    assert grown([*configured("/Acc/S/A"), before, after, foreign]).alarms["/Acc/S/A"].severity is S.MAJOR
