"""How Kafka is reached, and the client properties that follow from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from alarm_engine.errors import SettingsError

Properties = dict[str, str | int | float | bool]
"""Properties of a client, by librdkafka's names."""

PARTITION = 0
"""Every topic has this one partition: the order of records over keys depends on it."""


@dataclass(frozen=True, slots=True)
class KafkaSecurity:
    """TLS and who we are. Secrets are in files, which are read again when they change."""

    tls: bool = False
    ca_file: Path | None = None
    """Certificates that are trusted (PEM); None: those of the system."""
    certificate_file: Path | None = None
    """Our certificate (PEM), where the broker asks for one."""
    key_file: Path | None = None
    key_password_file: Path | None = None
    mechanism: str = "SCRAM-SHA-512"
    """SASL mechanism; used where there is a user."""
    user: str = ""
    password_file: Path | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """All files that a connection depends on."""
        named = (self.ca_file, self.certificate_file, self.key_file, self.key_password_file, self.password_file)
        return tuple(file for file in named if file is not None)

    @property
    def principal(self) -> str:
        """Whom the broker takes us for, as its access rules name it."""
        if self.user:
            return f"User:{self.user}"
        return "User:<subject of the certificate>" if self.certificate_file else "User:ANONYMOUS"

    def properties(self) -> Properties:
        """As client properties; raises `SettingsError` for a file that cannot be read."""
        properties: Properties = {"security.protocol": ("SASL_" if self.user else "") + ("SSL" if self.tls else "PLAINTEXT")}
        for file in self.files:
            _read(file)
        if self.ca_file:
            properties["ssl.ca.location"] = str(self.ca_file)
        if self.certificate_file:
            properties["ssl.certificate.location"] = str(self.certificate_file)
        if self.key_file:
            properties["ssl.key.location"] = str(self.key_file)
        if self.key_password_file:
            properties["ssl.key.password"] = _read(self.key_password_file)
        if self.user:
            properties["sasl.mechanism"] = self.mechanism
            properties["sasl.username"] = self.user
            properties["sasl.password"] = _read(self.password_file) if self.password_file else ""
        return properties


@dataclass(frozen=True, slots=True)
class KafkaSettings:
    """A Kafka cluster as one journal object uses it."""

    servers: str
    """`host:port`, several with commas."""
    name: str = "tocsin"
    """Who we are: in the broker's log, and for those whom we fence."""
    owns: str | None = None
    """The configuration topic whose one writer this is: it fences earlier writers, and a later one fences it. None: one of many."""
    cell: str = ""
    """The cell that we serve: its engines elect among themselves who owns what. Empty: none."""
    security: KafkaSecurity = field(default_factory=KafkaSecurity)
    properties: Mapping[str, str] = field(default_factory=dict)
    """Any further client property, by librdkafka's names."""
    prefix: str = "tocsin-"
    """Begins the names of our groups and transactions; access rules can be given for it."""
    replication_factor: int | None = None
    """Copies of topics that are made; None: as the broker does by itself."""
    write_timeout_s: float = 10.0
    """After this time an append gives up."""
    session_s: float = 6.0
    """After this time without a sign of life the group of the cell gives away what an engine had. Brokers take no less than their
    `group.min.session.timeout.ms`."""
    groupless: bool = False
    """No group is used: reading needs none, so a right on one that the library asks about all the same is not missed."""
    request_timeout_s: float = 5.0
    """Longest wait for an answer to anything else."""
    max_pending_bytes: int = 64_000_000
    """Appends wait while more than this is being written."""

    def client(self) -> Properties:
        """What every client of ours has in common; raises `SettingsError` for a file that cannot be read."""
        timeout_ms = round(self.request_timeout_s * 1000)
        return {
            "bootstrap.servers": self.servers,
            "client.id": self.name,
            "socket.timeout.ms": max(timeout_ms, 1000),
            "socket.keepalive.enable": True,
            "reconnect.backoff.ms": 50,
            "reconnect.backoff.max.ms": 1000,
            # A transaction that commits a position right after another one is asked to come back: not only after 100 ms.
            "retry.backoff.ms": 5,
            "topic.metadata.refresh.interval.ms": 30_000,
            "allow.auto.create.topics": False,
            "log.connection.close": False,
            "log_level": 3,
            **self.security.properties(),
            **self.properties,
        }

    def producer(self) -> Properties:
        """What every producer has in common. Nothing waits for company: batches form by themselves while others are on their way."""
        timeout_ms = round(self.write_timeout_s * 1000)
        return {
            "linger.ms": 0,
            "message.timeout.ms": timeout_ms,
            # Beyond the topic's own limit, which an administrator can change; below that of a request, where the broker only hangs up.
            "message.max.bytes": 10_000_000,
            **self.client(),
            # A request must not outlast its transaction.
            "socket.timeout.ms": max(min(timeout_ms, round(self.request_timeout_s * 1000)), 1000),
            "acks": "all",
            "enable.idempotence": True,
        }

    def group(self, name: str) -> str:
        """Consumer group under which a reader's position is kept."""
        return f"{self.prefix}{name}"


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as problem:
        raise SettingsError(f"Kafka: {file} cannot be read: {problem}") from problem
