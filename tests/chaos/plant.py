"""A site that faults befall: two engines, a backend, a writer of the history, brokers, and two IOCs, each behind lines of its own."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import httpx
from confluent_kafka.admin import AdminClient

from tests.chaos.evidence import Blind, Evidence, Leaf
from tests.chaos.evidence import Line as EventLine
from tests.chaos.gaps import Mark
from tests.chaos.ioc import TruthfulIoc
from tests.chaos.network import Line, Network
from tests.chaos.observer import Observer, StreamClient
from tests.chaos.operator import Operator
from tests.chaos.running import Process
from tests.ioc import random_prefix
from tests.kafka_broker import LOOPBACK, ClusterOptions, KafkaCluster, free_ports, random_topic
from tocsin.settings_sections import KafkaSection

PATIENCE_S = 90.0
"""Longest wait for anything; a starved machine needs it."""
ENGINES = ("A", "B")
PAIRS = (("A", "B"), ("B", "A"))
SUFFIXES = ("", "Command", "Talk", "Events", "Settings", "Runtime")


class InVain(AssertionError):
    """What was waited for did not come."""


@dataclass(frozen=True)
class PlantOptions:
    """What a site is like."""

    nodes: int = 1
    """Brokers."""
    rate: float = 40
    """Changes a second."""
    session_s: float = 2.5
    without: Sequence[str] = ()
    """Protections that the engines do without."""
    environment: Mapping[str, str] = field(default_factory=dict)
    backend: bool = True
    history: bool = True
    alarms: int = 20
    """Of each kind, on each IOC."""
    settings: str = ""
    """Further lines of the settings."""
    bare: bool = False
    """Only engines, brokers, IOCs and one observer, without lines of the test in between: for figures."""


class Plant:
    """A context manager: all of it runs inside."""

    def __init__(self, directory: Path, options: PlantOptions | None = None) -> None:
        self.options = options or PlantOptions()
        self.directory = directory
        self.config = random_topic("Plant")
        self.blind: list[Blind] = []
        self.marks: list[Mark] = []
        self._stack = contextlib.ExitStack()
        self._prefix = random_prefix()
        self._awaited: list[tuple[Callable[[], bool], Callable[[], None]]] = []
        self.restarts: list[tuple[str, int | None]] = []
        """Processes that had ended and were started again, with how they ended."""
        self.lines: dict[str, list[Line]] = {}
        """From each engine to the brokers (`A`, `B`) and to each IOC (`A0`, `A1`, ...)."""

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    # ------------------------------------------------------------------ parts

    def _start(self) -> None:
        options = self.options
        self.network = self._stack.enter_context(Network())
        behind = () if options.bare else ENGINES
        self.kafka = self._stack.enter_context(KafkaCluster(ClusterOptions(nodes=options.nodes, behind=behind, heap_mb=192)))
        self._lay_out()
        self.iocs = [TruthfulIoc(self._pvs(n), self.directory / f"truth{n}.txt") for n in range(2)]
        for ioc in self.iocs:
            self._stack.callback(ioc.close)
        for n, name in enumerate(() if options.bare else ENGINES):
            self.lines[name] = [self.network.line((LOOPBACK, told), (LOOPBACK, own)) for told, own in self.kafka.detours(name)]
            for number, ioc in enumerate(self.iocs):
                # An IOC tells clients only its port: on another address of loopback that can be ours.
                self.lines[f"{name}{number}"] = [self.network.line((f"127.0.0.{n + 2}", ioc.port), (LOOPBACK, ioc.port))]
        self._write_files()
        self._run_once("config", "sync", "-s", str(self.directory / "A.yaml"))
        self._observe()
        self.engines = {name: self._process(f"engine-{name}", "engine", name, without=True) for name in ENGINES}
        self.others = {}
        if options.backend and not options.bare:
            self.others["backend"] = self._process("backend", "backend", "rest", "--port", str(self.ports["backend"]))
        if options.history and not options.bare:
            self.others["history"] = self._process("history", "history", "rest")
        for process in (*self.engines.values(), *self.others.values()):
            process.start()
        self.stream = StreamClient(lambda: [self.url], self.config) if "backend" in self.others else None
        if self.stream is not None:
            self._stack.callback(self.stream.close)
        self.operator = Operator(self.kafka.servers, self.config, [leaf.path for leaf in self.leaves.values()])
        self._stack.callback(self.operator.close)
        self.until(self.is_redundant, "one engine to evaluate and another to be warm")
        self.until(lambda: {event.pv for event in self.events() if event.state and event.connected} >= self.leaves.keys(), "all PVs")

    def _lay_out(self) -> None:
        self.ports = dict(zip((*ENGINES, "backend"), free_ports(3), strict=True))
        self.url = f"http://{LOOPBACK}:{self.ports['backend']}"
        self.leaves: dict[str, Leaf] = {}
        for number in range(2):
            for kind, (latching, delay_s) in KINDS.items():
                for n in range(self.options.alarms if not delay_s else max(2, self.options.alarms // 4)):
                    pv = f"{self._prefix}{number}:{kind}{n}"
                    self.leaves[pv] = Leaf(f"/{self.config}/Ioc{number}/{kind}/{pv}", latching, delay_s)

    def _pvs(self, number: int) -> list[str]:
        return [pv for pv, leaf in self.leaves.items() if f"/Ioc{number}/" in leaf.path]

    def _write_files(self) -> None:
        systems: dict[str, Any] = {}
        for pv, leaf in self.leaves.items():
            _, _, system, kind, _ = leaf.path.split("/")
            settings = {"description": pv, "latching": leaf.latching} | ({"delay": leaf.delay_s} if leaf.delay_s else {})
            systems.setdefault(system, {"systems": {}})["systems"].setdefault(kind, {"pvs": {}})["pvs"][pv] = settings
        (self.directory / "tree.yaml").write_text(json.dumps({"config": self.config, "systems": systems}), encoding="utf-8")
        session = {"session_s": self.options.session_s} if "session_s" in KafkaSection.model_fields else {}
        for n, name in enumerate((*ENGINES, "rest")):
            through = name in self.lines
            servers = ",".join(f"{LOOPBACK}:{line.listen[1]}" for line in self.lines[name]) if through else self.kafka.servers
            names = [f"127.0.0.{n + 2}:{ioc.port}" if through else f"{LOOPBACK}:{ioc.port}" for ioc in self.iocs]
            settings = {
                "configurations": [{"tree": "tree.yaml", "name": self.config, "time_zone": "UTC"}],
                "cell": self.config,
                "journal": "kafka",
                "kafka": {"servers": servers, **session},
                "channel_access": {"addr_list": [], "auto_addr_list": False, "name_servers": names, "server_timeout_s": 2},
                "log": {"form": "json"},
                "health": {"port": self.ports[name]} if name in ENGINES else {},
            }
            text = json.dumps(settings)[:-1] + ("," + self.options.settings if self.options.settings else "") + "}"
            (self.directory / f"{name}.yaml").write_text(text, encoding="utf-8")

    def _process(self, name: str, role: str, settings: str, *more: str, without: bool = False) -> Process:
        options = [part for what in self.options.without for part in ("--without", what)] if without else []
        command = ["-m", "tests.chaos.process", *options, role, *more, "-s", str(self.directory / f"{settings}.yaml")]
        # libca takes its addresses from the settings alone.
        environment = {
            "EPICS_CA_ADDR_LIST": "",
            "EPICS_CA_AUTO_ADDR_LIST": "NO",
            "EPICS_CA_MAX_SEARCH_PERIOD": "60",
            **self.options.environment,
        }
        process = Process(name, command, self.directory / f"{name}.log", environment)
        self._stack.callback(process.end)
        return process

    def _run_once(self, *command: str) -> None:
        end = time.monotonic() + PATIENCE_S
        while True:
            done = subprocess.run([sys.executable, "-m", "tocsin", *command], capture_output=True, text=True, check=False)
            if done.returncode == 0:
                return
            # A broker that a starved machine has just started may need longer than a command waits.
            if "does not answer" not in done.stderr or time.monotonic() > end:
                raise RuntimeError(f"tocsin {' '.join(command)}: {done.stdout}{done.stderr}")

    def sync(self) -> None:
        """`tocsin config sync` of the tree as it is now."""
        self._run_once("config", "sync", "-s", str(self.directory / "rest.yaml"))

    def _observe(self) -> None:
        topics = [self.config + suffix for suffix in SUFFIXES]
        self.committed = Observer(self.kafka.servers, [*topics, f"{self.config}Status"], "read_committed")
        self._stack.callback(self.committed.close)
        self.uncommitted = None if self.options.bare else Observer(self.kafka.servers, topics, "read_uncommitted")
        if self.uncommitted is not None:
            self._stack.callback(self.uncommitted.close)

    # ------------------------------------------------------------------ what it is doing

    def until(self, condition: Callable[[], object], what: str, timeout_s: float = PATIENCE_S) -> None:
        """Wait for a condition."""
        end = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > end:
                raise InVain(f"waited in vain for {what}\n{self.logs()}")
            time.sleep(0.05)

    def logs(self) -> str:
        """The end of what each process has said."""
        processes = (*self.engines.values(), *self.others.values()) if hasattr(self, "engines") else ()
        seen = self.committed.seen[-1:] if hasattr(self, "committed") else []
        last = f"last seen {seen[0].topic} {seen[0].offset} at {seen[0].at}; {self.committed.problems}\n" if seen else ""
        return last + "\n".join(f"--- {one.name} ({one.status})\n{one.log()[-3000:]}" for one in processes)

    def leader(self) -> str:
        """The engine that evaluates; empty if neither does, or nobody answers."""
        return next((name for name in ENGINES if self.evaluates(name)), "")

    def evaluates(self, name: str) -> bool:
        """This engine does."""
        return self._says(name, "tocsin_engine_serving")

    def _says(self, name: str, figure: str, number: int = 1) -> bool:
        with contextlib.suppress(httpx.HTTPError):
            text = httpx.get(f"http://{LOOPBACK}:{self.ports[name]}/metrics", timeout=5).text
            return any(line.startswith(figure + "{") and line.endswith(f" {number}.0") for line in text.splitlines())
        return False

    def is_redundant(self) -> bool:
        """One engine evaluates, and the other could take over at once, with all PVs: what one of them has not nobody can take over."""
        ready = any(self._says(one, "tocsin_engine_serving") and self._says(other, "tocsin_engine_standby") for one, other in PAIRS)
        return ready and all(self._says(name, "tocsin_engine_pvs_connected", len(self.leaves)) for name in ENGINES)

    def await_leader(self) -> str:
        """The engine that evaluates, as soon as there is one."""
        found: list[str] = []
        self.until(lambda: found.append(self.leader()) or found[-1], "one engine to evaluate")
        return found[-1]

    def standby(self) -> str:
        """The other one."""
        leader = self.await_leader()
        return next(name for name in ENGINES if name != leader)

    def ends(self, name: str) -> None:
        """An engine that was asked to end does."""
        try:
            self.engines[name].wait(PATIENCE_S)
        except subprocess.TimeoutExpired as late:
            raise InVain(f"engine {name} did not end\n{self.logs()}") from late

    def leading_broker(self) -> int:
        """Number of the broker that leads the events, from 1."""
        topic = f"{self.config}Events"
        admin = AdminClient({"bootstrap.servers": self.kafka.servers})
        return int(admin.list_topics(topic, timeout=20).topics[topic].partitions[0].leader)

    def load(self, ioc: TruthfulIoc) -> None:
        """Have an IOC change its records."""
        ioc.run(self.options.rate / len(self.iocs))

    def describe(self, pv: str, text: str) -> None:
        """Another description in the file of the tree."""
        file = self.directory / "tree.yaml"
        tree = json.loads(file.read_text(encoding="utf-8"))
        _, _, system, kind, _ = self.leaves[pv].path.split("/")
        tree["systems"][system]["systems"][kind]["pvs"][pv]["description"] = text
        file.write_text(json.dumps(tree), encoding="utf-8")

    def after_recovery(self, condition: Callable[[], bool], action: Callable[[], None]) -> None:
        """The site is whole only when this is so, and then this is done."""
        self._awaited.append((condition, action))

    def recover(self) -> None:
        """Start what has ended, as Kubernetes would; returns when both engines are there, and events flow again from everywhere."""
        begin = time.time_ns()
        self._restarted()
        self.flows(begin)
        self.recover_engines()
        for condition, action in self._awaited:
            self.until(condition, "PVs to be there again")
            action()
        self._awaited.clear()

    def recover_engines(self) -> None:
        """Start what has ended; returns when one engine evaluates, and the other could take over at once."""
        self.until(lambda: self._restarted() and self.is_redundant(), "one engine to evaluate and another to be warm")

    def _restarted(self) -> bool:
        for process in (*self.engines.values(), *self.others.values()):
            if not process.running:
                self.restarts.append((process.name, process.status))
                process.start()
        return True

    def flows(self, since: int) -> None:
        """Events come of what IOCs changed after that moment."""
        for ioc in self.iocs:
            self.until(
                lambda ioc=ioc: any(e.pv in ioc.pvs and e.pv_time > since and e.connected for e in self.events(since)), "events to flow"
            )

    def sees(self, ioc: TruthfulIoc, since: int) -> bool:
        """Every PV of it was heard of again after that moment."""
        heard = {event.pv for event in self.events(since) if event.state and event.connected and event.pv_time > since}
        return heard >= set(ioc.pvs)

    def is_quiet(self, seconds: float) -> bool:
        """For that long nothing was published."""
        topics = {f"{self.config}Events", f"{self.config}Talk"}
        last = next((seen.at for seen in reversed(self.committed.seen) if seen.topic in topics), 0)
        return time.time_ns() - last > seconds * 1e9

    def events(self, since: int = 0) -> Iterator[EventLine]:
        """Events that were read after that moment."""
        topic = f"{self.config}Events"
        return (EventLine(seen) for seen in list(self.committed.seen) if seen.topic == topic and seen.value and seen.at >= since)

    def evidence(self, calm: bool = True) -> Evidence:
        """All there is to judge."""
        return Evidence(
            config=self.config,
            leaves=self.leaves,
            truth=[one for ioc in self.iocs for one in ioc.transitions()],
            committed=list(self.committed.seen),
            uncommitted=list(self.uncommitted.seen) if self.uncommitted is not None else (),
            sent=self.operator.sent(),
            blind=list(self.blind),
            stream=list(self.stream.messages) if self.stream is not None else (),
            calm=calm,
        )


KINDS: dict[str, tuple[bool, int]] = {"Latch": (True, 0), "Plain": (False, 0), "Delay": (True, 1), "Slow": (False, 2)}
"""Kinds of alarms: latching, and delay in seconds."""
