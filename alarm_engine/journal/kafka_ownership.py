"""Who writes a configuration: a mark that the writer leaves, so that those it fences can say who has taken over.

The mark is the metadata of a position on the configuration's own topic, in a group of its own: it needs no topic and no record that
other clients would see, and it is written in a transaction, so that only the writer whom Kafka lets write can leave one.
"""

from __future__ import annotations

import os
import secrets
import socket
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Self

import orjson

from alarm_engine.journal.kafka_cluster import Cluster
from alarm_engine.journal.kafka_positions import read_position
from alarm_engine.journal.kafka_settings import KafkaSettings


def now() -> str:
    """As owners are marked with it: ISO 8601, UTC, seconds."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True, slots=True)
class Owner:
    """A writer of a configuration."""

    name: str
    host: str
    process: int
    since: str = field(default_factory=now)
    """When it took over, ISO 8601."""
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    cell: str = ""
    """The cell that it serves, empty if it serves none."""

    @classmethod
    def this(cls, settings: KafkaSettings) -> Self:
        """This process, from now on."""
        return cls(settings.name, socket.gethostname(), os.getpid(), cell=settings.cell)

    def __str__(self) -> str:
        return f"{self.name!r} on {self.host} (process {self.process}) since {self.since}"

    def encode(self) -> str:
        """As metadata of a position."""
        return orjson.dumps(asdict(self)).decode()

    @classmethod
    def decode(cls, text: str) -> Self | None:
        """From metadata, None if it is none of ours."""
        try:
            values = orjson.loads(text)
            name, host, process = str(values["name"]), str(values["host"]), int(values["process"])
            return cls(name, host, process, str(values["since"]), str(values["id"]), str(values.get("cell", "")))
        except (ValueError, KeyError, TypeError, AttributeError):
            return None


def owner_group(settings: KafkaSettings, config: str | None = None) -> str:
    """The group under which the owners of a configuration leave their marks; without `config`, of the one that these settings own."""
    return settings.group(f"owner-{config or settings.owns}")


def find_owner(cluster: Cluster, config: str | None = None, *, decided: bool = True) -> Owner | None:
    """Who wrote a configuration last, None if nobody did or it is too long ago. See `read_position` for `decided`."""
    config = config or cluster.settings.owns
    if config is None:
        return None
    position = read_position(cluster, owner_group(cluster.settings, config), config, decided=decided)
    return Owner.decode(position.metadata) if position is not None and position.metadata else None
