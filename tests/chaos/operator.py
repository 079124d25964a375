"""An operator who acknowledges, shelves and takes back, and now and then sends a command again because no answer came."""

from __future__ import annotations

import random
import secrets
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import orjson
from confluent_kafka import Producer

from tests.chaos.evidence import Sent

USERS = ("mara", "sam", "ines")


@dataclass(frozen=True, slots=True)
class _Order:
    kind: str
    path: str
    user: str
    id: str
    until: int = 0


class Operator:
    """Sends commands as any client would: plain records."""

    def __init__(self, servers: str, config: str, paths: Sequence[str]) -> None:
        self._config = config
        self._paths = paths
        self._producer = Producer(
            {"bootstrap.servers": servers, "acks": "all", "enable.idempotence": True, "log_level": 0, "reconnect.backoff.max.ms": 500}
        )
        self._sent: dict[str, Sent] = {}
        self._lock = threading.Lock()
        self._resting = threading.Event()
        self._thread: threading.Thread | None = None

    def run(self, seed: int, period_s: float = 0.4) -> None:
        """Begin to command at random."""
        self.rest()
        self._resting.clear()
        self._thread = threading.Thread(target=self._command, args=(random.Random(seed), period_s), name="operator")
        self._thread.start()

    def rest(self) -> None:
        """Stop; returns when it is known of each command whether the broker has it."""
        self._resting.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self._producer.flush(60)

    def close(self) -> None:
        """Stop for good."""
        self._resting.set()
        if self._thread is not None:
            self._thread.join()
        self._producer.purge()
        self._producer.flush(1)

    def send(self, kind: str, path: str, user: str = "mara", until: int = 0) -> str:
        """Send one command now; returns its id."""
        order = _Order(kind, path, user, secrets.token_hex(8), until)
        self._send(order)
        return order.id

    def sent(self) -> list[Sent]:
        """All commands so far."""
        with self._lock:
            return list(self._sent.values())

    def _command(self, chance: random.Random, period_s: float) -> None:
        again: _Order | None = None
        while not self._resting.wait(period_s):
            if again is not None and chance.random() < 0.5:
                self._send(again)
                again = None
                continue
            kind = chance.choices(("acknowledge", "unacknowledge", "shelve", "unshelve"), (6, 2, 1, 1))[0]
            path = chance.choice(self._paths)
            if kind == "acknowledge" and chance.random() < 0.3:
                path = path.rpartition("/")[0]  # all of that kind
            until = time.time_ns() + chance.randrange(2, 5) * 1_000_000_000 if kind == "shelve" else 0
            order = _Order(kind, path, chance.choice(USERS), secrets.token_hex(8), until)
            self._send(order)
            again = order if chance.random() < 0.2 else again
            self._producer.poll(0)

    def _send(self, order: _Order) -> None:
        with self._lock:
            known = self._sent.get(order.id)
            first = Sent(order.id, order.kind, order.path, order.user, time.time_ns())
            self._sent[order.id] = replace(known, sent=known.sent + 1) if known else first
        headers = {"tocsin-id": order.id, "tocsin-reason": "chaos"} | ({"tocsin-until": str(order.until)} if order.until else {})
        value = {"user": order.user, "host": "console", "command": order.kind}
        self._producer.produce(
            f"{self._config}Command",
            orjson.dumps(value),
            f"command:{order.path}",
            partition=0,
            headers=list(headers.items()),
            on_delivery=partial(self._delivered, order.id),
        )
        self._producer.poll(0)

    def _delivered(self, name: str, error: object, _: object) -> None:
        if error is None:
            with self._lock:
                self._sent[name] = replace(self._sent[name], confirmed=self._sent[name].confirmed + 1)
