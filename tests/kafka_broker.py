"""Real Kafka brokers for tests and benchmarks: processes on loopback, on free ports, with their data in a temporary folder.

with KafkaCluster() as kafka:            # one broker; KafkaCluster(ClusterOptions(nodes=3)) three
    producer = Producer({"bootstrap.servers": kafka.servers})

`shared_broker()` is the one broker of a test session. Topics need random names there (`random_topic`).
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import secrets
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AclBinding, AclOperation, AclPermissionType, AdminClient, ResourcePatternType, ResourceType

from tests.kafka_jars import DATA, check_tools, jars, quick_start

LOOPBACK = "127.0.0.1"
START_S = 90.0
"""Longest wait for a broker; a starved machine needs it."""
# The shell ends the broker when its own input ends: also when the tests are killed.
_GUARD = '"$@" </dev/null >&2 & child=$!; echo $child; cat >/dev/null; kill -9 $child 2>/dev/null; wait $child'


@dataclass(frozen=True, slots=True)
class ClusterOptions:
    """What a cluster is like."""

    nodes: int = 1
    users: Mapping[str, str] = field(default_factory=dict)
    """Names and passwords for SCRAM-SHA-256 and -512; with any, there are secured listeners and access rules."""
    certificates: Path | None = None
    """Folder with `broker.pem` (key and certificate) and `ca.pem`: adds listeners with TLS."""
    properties: Mapping[str, str] = field(default_factory=dict)
    heap_mb: int = 256
    tell_rights: bool = False
    """Each right that is used, or that somebody lacks, is in the log of the broker."""
    behind: Sequence[str] = ()
    """Names, in capital letters, of further listeners that clients are told to reach at other ports: for a proxy of the test."""


class KafkaCluster:
    """Brokers that are each also a controller. A context manager; single brokers can be killed, paused and started again."""

    def __init__(self, options: ClusterOptions | None = None) -> None:
        self._options = options or ClusterOptions()
        self._library = jars()
        self._directory = tempfile.TemporaryDirectory(prefix="tocsin-kafka-")
        # A leading zero byte: an id that begins with a dash would be taken for an option.
        self._id = urlsafe_b64encode(bytes(1) + uuid.uuid4().bytes[1:]).decode().rstrip("=")
        names = ["PLAINTEXT", "CONTROLLER"]
        if self._options.users:
            names.append("SASL")
        if self._options.certificates:
            names += ["TLS", "SASLTLS"]
        behind = list(self._options.behind)
        names += behind
        count = self._options.nodes
        ports = free_ports((len(names) + len(behind)) * count)
        self._ports = [dict(zip(names, ports[n * len(names) :], strict=False)) for n in range(count)]
        told = ports[len(names) * count :]
        self._told = [dict(zip(behind, told[n * len(behind) :], strict=False)) for n in range(count)]
        voters = ",".join(f"{n + 1}@{LOOPBACK}:{node['CONTROLLER']}" for n, node in enumerate(self._ports))
        self.brokers = [_Broker(n + 1, Path(self._directory.name) / str(n + 1), self._java()) for n in range(count)]
        try:
            for broker, node in zip(self.brokers, self._ports, strict=True):
                broker.prepare(self._properties(broker, node, voters), self._id, self._options.users)
            for broker in self.brokers:
                broker.start()
            self.wait()
        except BaseException:
            self.close()
            raise

    @property
    def servers(self) -> str:
        """Bootstrap servers without any security; whoever comes here may do everything."""
        return self.listener("PLAINTEXT")

    def listener(self, name: str) -> str:
        """Bootstrap servers of one of `PLAINTEXT`, `SASL` (SCRAM), `TLS` (client certificate), `SASLTLS` (SCRAM over TLS)."""
        return ",".join(f"{LOOPBACK}:{node[name]}" for node in self._ports)

    def detours(self, name: str) -> list[tuple[int, int]]:
        """Of a listener of `ClusterOptions.behind`, for each broker: the port that clients are told (for the proxy), and its own."""
        return [(told[name], own[name]) for told, own in zip(self._told, self._ports, strict=True)]

    def wait(self) -> None:
        """Until every running broker is in the cluster, and topics can be made."""
        running = sum(broker.running for broker in self.brokers)
        deadline = time.monotonic() + START_S
        admin = AdminClient({"bootstrap.servers": self.servers, "log_level": 0, "reconnect.backoff.max.ms": 100})
        while True:
            with contextlib.suppress(KafkaException):
                metadata = admin.list_topics(timeout=1)
                if len(metadata.brokers) >= running and metadata.controller_id != -1:
                    return
            for broker in self.brokers:
                broker.check()
            if time.monotonic() > deadline:
                raise RuntimeError("the Kafka cluster did not start:\n" + "\n".join(broker.log()[-2000:] for broker in self.brokers))

    def allow(
        self, principal: str, *resources: tuple[ResourceType, str, ResourcePatternType], operation: AclOperation = AclOperation.ALL
    ) -> None:
        """Give a user rights."""
        admin, allowed = AdminClient({"bootstrap.servers": self.servers}), AclPermissionType.ALLOW
        rules = [AclBinding(kind, name, how, principal, "*", operation, allowed) for kind, name, how in resources]
        for future in admin.create_acls(rules).values():
            future.result(20)

    def close(self) -> None:
        """Kill all of it and remove its data."""
        for broker in self.brokers:
            broker.kill()
        self._directory.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _java(self) -> list[str]:
        heap = f"-Xmx{self._options.heap_mb}m"
        rights = f"-Dtocsin.rights={'debug' if self._options.tell_rights else 'warn'}"
        return ["java", heap, rights, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", *quick_start(), "-cp", f"{self._library}/*"]

    def _properties(self, broker: _Broker, ports: Mapping[str, int], voters: str) -> str:
        listeners = {name: f"{name}://{LOOPBACK}:{port}" for name, port in ports.items()}
        advertised = listeners | {name: f"{name}://{LOOPBACK}:{port}" for name, port in self._told[broker.node - 1].items()}
        protocols = {"SASL": "SASL_PLAINTEXT", "TLS": "SSL", "SASLTLS": "SASL_SSL"}
        count = self._options.nodes
        values = {
            "NODE": str(broker.node),
            "VOTERS": voters,
            "LISTENERS": ",".join(listeners.values()),
            "ADVERTISED": ",".join(text for name, text in advertised.items() if name != "CONTROLLER"),
            "PROTOCOLS": ",".join(f"{name}:{protocols.get(name, 'PLAINTEXT')}" for name in listeners),
            "DATA": str(broker.data),
            "COPIES": str(min(3, count)),
            "IN_SYNC": str(min(2, count)),
        }
        text = (DATA / "server.properties").read_text(encoding="utf-8")
        for name, value in values.items():
            text = text.replace(f"@{name}@", value)
        more = _security(self._options) | dict(self._options.properties)
        return text + "".join(f"{name}={value}\n" for name, value in more.items())


def _security(options: ClusterOptions) -> dict[str, str]:
    if not options.users:
        return {}
    properties = {
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
    }
    for listener in ("sasl", "sasltls") if options.certificates else ("sasl",):
        properties[f"listener.name.{listener}.sasl.enabled.mechanisms"] = "SCRAM-SHA-256,SCRAM-SHA-512"
        for mechanism in ("scram-sha-256", "scram-sha-512"):
            login = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
            properties[f"listener.name.{listener}.{mechanism}.sasl.jaas.config"] = login
    if options.certificates:
        properties |= {
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(options.certificates / "broker.pem"),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(options.certificates / "ca.pem"),
            "listener.name.tls.ssl.client.auth": "required",
        }
    return properties


class _Broker:
    """One process, started again on the same ports with the same data."""

    def __init__(self, node: int, directory: Path, java: Sequence[str]) -> None:
        self.node = node
        self.data = directory / "data"
        self._directory = directory
        self._java = java
        self._process: subprocess.Popen[str] | None = None
        self.pid = 0

    def prepare(self, properties: str, cluster: str, users: Mapping[str, str]) -> None:
        """Write its settings and format its storage."""
        self._directory.mkdir()
        (self._directory / "server.properties").write_text(properties, encoding="utf-8")
        scram = [
            part
            for name, password in users.items()
            for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512")
            for part in ("--add-scram", f"{mechanism}=[name={name},password={password}]")
        ]
        command = [*self._java, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", "server.properties", *scram]
        done = subprocess.run(command, cwd=self._directory, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"Kafka's storage cannot be formatted:\n{(done.stdout + done.stderr)[-2000:]}")

    def start(self) -> None:
        """Start the process; `KafkaCluster.wait` waits until it serves."""
        java = [*self._java, f"-Dlog4j2.configurationFile={DATA / 'log4j2.properties'}", "kafka.Kafka", "server.properties"]
        with (self._directory / "broker.log").open("a") as log:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", _GUARD, "sh", *java],
                cwd=self._directory,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self._process.stdout is not None
        self.pid = int(self._process.stdout.readline())

    @property
    def running(self) -> bool:
        """It was started and not killed since."""
        return self._process is not None

    def check(self) -> None:
        """Raise if it ended by itself."""
        if self._process is not None and not Path(f"/proc/{self.pid}").exists():
            raise RuntimeError(f"a Kafka broker has ended:\n{self.log()[-3000:]}")

    def kill(self) -> None:
        """As a crash would; its data and ports stay. Returns when it is gone."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.wait()
        self._process = None

    def pause(self) -> None:
        """Hang: sockets stay open, nothing answers. Undone by `resume`."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Go on after `pause`."""
        os.kill(self.pid, signal.SIGCONT)

    def log(self) -> str:
        """What it has said."""
        return (self._directory / "broker.log").read_text(encoding="utf-8", errors="replace")


def free_ports(count: int) -> list[int]:
    """Ports of loopback below the range that the system gives out by itself."""
    held: dict[int, socket.socket] = {}
    while len(held) < count:
        probe = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        port = 12_000 + secrets.randbelow(8_000)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            probe.close()
            continue
        held[port] = probe
    for probe in held.values():
        probe.close()
    return list(held)


def random_topic(prefix: str = "T") -> str:
    """A topic name that no other test has."""
    return f"{prefix}{secrets.token_hex(4)}"


@functools.cache
def shared_broker() -> KafkaCluster:
    """The one broker of this process, started at first use, ended with it. Raises `kafka_jars.Missing`."""
    check_tools()
    cluster = KafkaCluster()
    atexit.register(cluster.close)
    return cluster
