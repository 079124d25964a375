"""What can befall a site. Each fault has a beginning, a time that it lasts, and an end. What it makes invisible it tells `Plant.blind`."""

from __future__ import annotations

import random
import resource
import signal
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.chaos.evidence import Blind
from tests.chaos.plant import Plant

Undo = Callable[[], None]
_UNDERWAY_NS = 500_000_000
"""What an IOC changed that shortly before it was killed may not have left it."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault."""

    name: str
    group: str
    """`engine`, `broker`, `line`, `ioc` or `other`: of two at a time each is of another group."""
    begin: Callable[[Plant, random.Random], Undo]
    """Let it happen; returns what ends it."""
    lasts_s: float = 0.0
    brokers: int = 1
    """Least number of brokers that the site needs."""


def _nothing() -> None:
    """It ends by itself."""


def _of_leader(act: Callable[[Plant, str], Undo]) -> Callable[[Plant, random.Random], Undo]:
    def begin(plant: Plant, _: random.Random) -> Undo:
        return act(plant, plant.await_leader())

    return begin


def _kill(plant: Plant, name: str) -> Undo:
    plant.engines[name].end()
    return _nothing


def _kill_standby(plant: Plant, _: random.Random) -> Undo:
    return _kill(plant, plant.standby())


def _terminate(plant: Plant, name: str) -> Undo:
    plant.engines[name].signal(signal.SIGTERM)
    return lambda: plant.ends(name)


def _pause(plant: Plant, name: str) -> Undo:
    plant.engines[name].signal(signal.SIGSTOP)
    return lambda: plant.engines[name].signal(signal.SIGCONT)


def _hang(number: int) -> Callable[[Plant, str], Undo]:
    def begin(plant: Plant, name: str) -> Undo:
        plant.engines[name].signal(number)
        return _nothing

    return begin


def _cut_from_brokers(deaf: bool) -> Callable[[Plant, str], Undo]:
    return lambda plant, name: _break_lines(plant, [name], deaf)


def _cut_from_iocs(deaf: bool) -> Callable[[Plant, str], Undo]:
    return lambda plant, name: _break_lines(plant, [f"{name}0", f"{name}1"], deaf)


def _break_lines(plant: Plant, names: list[str], deaf: bool) -> Undo:
    lines = [line for name in names for line in plant.lines[name]]
    for line in lines:
        (line.deafen if deaf else line.cut)()

    def mend() -> None:
        for line in lines:
            line.mend()

    return mend


def _kill_broker(plant: Plant, chance: random.Random) -> Undo:
    broker = chance.choice(plant.kafka.brokers)
    broker.kill()

    def start() -> None:
        broker.start()
        plant.kafka.wait()

    return start


def _pause_broker(plant: Plant, chance: random.Random) -> Undo:
    broker = chance.choice(plant.kafka.brokers)
    broker.pause()
    return broker.resume


def _kill_leading_broker(plant: Plant, _: random.Random) -> Undo:
    broker = plant.kafka.brokers[plant.leading_broker() - 1]
    broker.kill()

    def start() -> None:
        broker.start()
        plant.kafka.wait()

    return start


def _fill_disk(plant: Plant, chance: random.Random) -> Undo:
    """No file of the broker may become larger than the largest of the events: to the broker that is a disk without room."""
    broker = chance.choice(plant.kafka.brokers)
    sizes = [file.stat().st_size for file in broker.data.glob(f"{plant.config}Events-0/*.log")]
    resource.prlimit(broker.pid, resource.RLIMIT_FSIZE, (max(sizes, default=0) + 4096, resource.RLIM_INFINITY))

    def make_room() -> None:
        # A broker gives up the disk that it could not write to, and ends if it has no other: whoever makes room starts it again.
        broker.kill()
        broker.start()
        plant.kafka.wait()

    return make_room


def _kill_ioc(plant: Plant, chance: random.Random) -> Undo:
    ioc = chance.choice(plant.iocs)
    begin = time.time_ns()
    ioc.stop()

    def start() -> None:
        ioc.restart()
        back = time.time_ns()
        plant.load(ioc)
        plant.after_recovery(lambda: plant.sees(ioc, back), lambda: _was_blind(plant, ioc.pvs, begin))

    return start


def _hang_ioc(plant: Plant, chance: random.Random) -> Undo:
    ioc = chance.choice(plant.iocs)
    begin = time.time_ns()
    ioc.pause()

    def resume() -> None:
        ioc.resume()
        back = time.time_ns()
        plant.load(ioc)
        plant.after_recovery(lambda: plant.sees(ioc, back), lambda: _was_blind(plant, ioc.pvs, begin))

    return resume


def _was_blind(plant: Plant, pvs: tuple[str, ...], begin: int) -> None:
    plant.blind.append(Blind(frozenset(pvs), begin - _UNDERWAY_NS, time.time_ns()))


def _lock_history(plant: Plant, _: random.Random) -> Undo:
    connection = sqlite3.connect(plant.directory / "tocsin.sqlite", timeout=10, isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")

    def unlock() -> None:
        connection.execute("ROLLBACK")
        connection.close()

    return unlock


def _kill_other(name: str) -> Callable[[Plant, random.Random], Undo]:
    def begin(plant: Plant, _: random.Random) -> Undo:
        plant.others[name].end()
        return _nothing

    return begin


def _sync(plant: Plant, chance: random.Random) -> Undo:
    """Another description of one alarm comes into force."""
    pv = chance.choice(sorted(plant.leaves))
    plant.describe(pv, f"{pv}, described {time.time_ns()}")
    plant.sync()
    return _nothing


LONG_S = 10.0
"""Longer than every time-out of the engines."""

FAULTS: tuple[Fault, ...] = (
    Fault("SIGKILL", "engine", _of_leader(_kill)),
    Fault("SIGTERM", "engine", _of_leader(_terminate)),
    Fault("SIGSTOP", "engine", _of_leader(_pause), LONG_S),
    Fault("loop hangs", "engine", _of_leader(_hang(signal.SIGUSR1)), LONG_S),
    Fault("interpreter hangs", "engine", _of_leader(_hang(signal.SIGUSR2)), LONG_S),
    Fault("standby killed", "engine", _kill_standby),
    Fault("broker killed", "broker", _kill_broker, 3.0),
    Fault("broker hangs", "broker", _pause_broker, 7.0),
    Fault("disk full", "broker", _fill_disk, 4.0),
    Fault("leading broker killed", "broker", _kill_leading_broker, 3.0, brokers=3),
    Fault("engine cut from Kafka", "line", _of_leader(_cut_from_brokers(deaf=False)), LONG_S),
    Fault("engine deaf to Kafka", "line", _of_leader(_cut_from_brokers(deaf=True)), LONG_S),
    Fault("engine cut from IOCs", "line", _of_leader(_cut_from_iocs(deaf=False)), LONG_S),
    Fault("engine deaf to IOCs", "line", _of_leader(_cut_from_iocs(deaf=True)), LONG_S + 5),
    Fault("IOC killed", "ioc", _kill_ioc, 2.0),
    Fault("IOC hangs", "ioc", _hang_ioc, LONG_S),
    Fault("history locked", "other", _lock_history, 4.0),
    Fault("history writer killed", "other", _kill_other("history")),
    Fault("backend killed", "other", _kill_other("backend")),
    Fault("config sync", "other", _sync),
)
BY_NAME = {fault.name: fault for fault in FAULTS}
EXCLUSIVE = frozenset({frozenset({"engine", "line"})})
"""Groups that leave nobody who could see if they come together."""
