"""Two configurations that watch the same PV do not take it away from each other, and both hear what it says."""

from __future__ import annotations

import asyncio

from alarm_engine.clock import SystemClock
from alarm_engine.engine import Engine, EnginePorts, EngineSettings
from alarm_engine.evaluator import EvaluatorSettings
from alarm_engine.journal.memory import MemoryJournal
from alarm_engine.journal.port import Record
from alarm_engine.model.reading import Connection, Input, Reading
from alarm_engine.model.severity import Severity
from alarm_engine.model.times import Monotonic, Nanos
from alarm_engine.ownership.sole import SoleOwnership
from alarm_engine.runner import RunnerSettings
from alarm_engine.sources.memory import MemorySource
from alarm_engine.sources.port import Subscription
from alarm_engine.sources.shared import SharedSource
from alarm_engine.wire.topics import Topics

S = Severity
CONFIGS = ("Ring", "Linac")


class _Telling(MemorySource):
    """Tells a new subscription, and only a new one, what the PV says: as Channel Access does."""

    def subscribe(self, subscriptions):
        wanted = list(subscriptions)
        new = [subscription.pv for subscription in wanted if subscription.pv not in self.subscriptions]
        super().subscribe(wanted)
        for pv in new:
            self.connect(pv)
            self.put(pv, S.MAJOR, "HIHI_ALARM")


async def until(condition) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


async def test_configurations_share_a_pv():
    journal, source = MemoryJournal(), _Telling()
    await journal.start()
    for config in CONFIGS:
        await journal.ensure_topics(Topics(config).specs())
        await journal.append([Record(config, f"config:/{config}/Vacuum/X", b'{"description":"x"}')])
    settings = EngineSettings("test", "cell", tuple(RunnerSettings(EvaluatorSettings(config)) for config in CONFIGS))
    engine = Engine(settings, EnginePorts(journal, source, SoleOwnership(), SystemClock()))
    await engine.start()
    try:
        ring, linac = (runner.evaluator.tree.leaves for runner in engine.runners)
        await until(lambda: all(leaves[path].connected for leaves in (ring, linac) for path in leaves))
        assert linac["/Linac/Vacuum/X"].logic.alarm.severity is S.MAJOR
        await journal.append([Record("Ring", "config:/Ring/Vacuum/X", None)])
        await until(lambda: not ring)
        source.put("X", S.INVALID, "LINK_ALARM")
        await until(lambda: linac["/Linac/Vacuum/X"].logic.alarm.severity is S.INVALID)
        await journal.append([Record("Linac", "config:/Linac/Vacuum/X", None)])
        await until(lambda: not source.subscriptions)
    finally:
        await engine.stop()


async def test_every_value_is_asked_for_as_long_as_one_wants_it():
    source = MemorySource()
    shared = SharedSource(source)
    one, two = shared.share(), shared.share()
    source.start(shared.deliver)
    one.subscribe([Subscription("X", True)])
    two.subscribe([Subscription("X", False)])
    assert source.subscriptions["X"].values
    one.unsubscribe(["X", "Y"])
    assert "X" in source.subscriptions
    two.subscribe([Subscription("X", False)])
    assert not source.subscriptions["X"].values


async def test_a_newcomer_is_told_what_the_others_heard_last():
    source = MemorySource()
    shared = SharedSource(source)
    one, two = shared.share(), shared.share()
    heard: list[Input] = []
    two.sink = heard.extend
    source.start(shared.deliver)
    one.subscribe([Subscription("X"), Subscription("Y"), Subscription("Z")])
    source.put("X", S.MAJOR, "HIHI_ALARM")
    source.put("X", S.OK, "NO_ALARM")
    source.disconnect("Y")
    heard.clear()
    two.subscribe([Subscription("X"), Subscription("Y"), Subscription("Z")])
    assert [(type(item), item.pv) for item in heard] == [(Reading, "X"), (Connection, "Y")]
    assert isinstance(heard[0], Reading)
    assert heard[0].severity is S.OK
    heard.clear()
    for share in (one, two):
        share.unsubscribe(["X", "Y", "Z"])
    two.subscribe([Subscription("X")])
    assert not heard


def test_a_share_is_told_of_nothing_that_only_others_watch_nor_of_what_it_watches_no_more():
    source = MemorySource()
    shared = SharedSource(source)
    source.start(shared.deliver)
    told: dict[str, list[str]] = {"ring": [], "linac": []}
    shares = {}
    for name, heard in told.items():
        shares[name] = shared.share()
        shares[name].sink = lambda inputs, heard=heard: heard.extend(item.pv for item in inputs)
        shares[name].subscribe([Subscription(name), Subscription("both")])
    for pv in ("ring", "linac", "both"):
        source.put(pv, S.OK, "")
    assert told == {"ring": ["ring", "both"], "linac": ["linac", "both"]}
    shares["ring"].unsubscribe(["ring"])
    late = Reading("ring", S.MAJOR, "", "", Nanos(0), Monotonic(0))
    shared.deliver([late])
    assert told["ring"] == ["ring", "both"]
