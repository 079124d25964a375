"""Plain clients that write down all they see: two of Kafka, as committed and as not committed, and one of the backend's stream."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence

import httpx
import orjson
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from tests.chaos.evidence import Message, Seen


class Observer:
    """Reads topics from their beginning, in a thread of its own, over whatever befalls the brokers."""

    def __init__(self, servers: str, topics: Sequence[str], isolation: str) -> None:
        self.seen: list[Seen] = []
        """Grows while it runs."""
        self.problems: Counter[str] = Counter()
        """What the client library complained of."""
        self._last: dict[str, int] = {}
        self._consumer = Consumer(
            {
                "bootstrap.servers": servers,
                "group.id": f"observer-{isolation}",
                "isolation.level": isolation,
                "enable.auto.commit": False,
                # What was read already is left aside should it come again.
                "auto.offset.reset": "earliest",
                "fetch.wait.max.ms": 100,
                # Topics that an engine has yet to make are found by this.
                "topic.metadata.refresh.interval.ms": 500,
                "allow.auto.create.topics": False,
                "reconnect.backoff.max.ms": 500,
                "socket.timeout.ms": 3000,
                "log_level": 0,
            }
        )
        self._consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING) for topic in topics])
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._read, name=f"observer {isolation}")
        self._thread.start()

    def close(self) -> None:
        """Stop reading; what was seen stays."""
        self._stopping.set()
        self._thread.join()
        self._consumer.close()

    def _read(self) -> None:
        while not self._stopping.is_set():
            for message in self._consumer.consume(1000, 0.1):
                if (error := message.error()) is not None:
                    self.problems[str(error)] += 1
                    continue
                topic, offset = message.topic() or "", message.offset() or 0
                if offset <= self._last.get(topic, -1):
                    continue
                self._last[topic] = offset
                key = (message.key() or b"").decode()
                headers = {name: value or b"" for name, value in message.headers() or ()}
                self.seen.append(Seen(topic, offset, key, message.value(), message.timestamp()[1] * 1_000_000, time.time_ns(), headers))


class StreamClient:
    """Follows the stream of a backend, and comes back with the last event that it has, perhaps to another backend."""

    def __init__(self, urls: Callable[[], Sequence[str]], config: str) -> None:
        """`urls` of the backends there are now; each return takes the next."""
        self.messages: list[Message] = []
        self._urls = urls
        self._config = config
        self._last = ""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="client of the stream")
        self._thread.start()

    def close(self) -> None:
        """Stop; returns within a second or two, when the stream next says something."""
        self._stopping.set()
        self._thread.join()

    def _follow(self) -> None:
        turn = 0
        with httpx.Client(timeout=httpx.Timeout(5, read=3)) as client:
            while not self._stopping.is_set():
                urls = self._urls()
                url = urls[turn % len(urls)]
                turn += 1
                headers = {"Last-Event-ID": self._last} if self._last else {}
                try:
                    with client.stream("GET", f"{url}/api/v1/stream", params={"config": self._config}, headers=headers) as answer:
                        self._take(answer)
                except (httpx.HTTPError, OSError):
                    self._stopping.wait(0.2)

    def _take(self, answer: httpx.Response) -> None:
        kind, name, data = "", "", b""
        for line in answer.iter_lines():
            if self._stopping.is_set():
                return
            field, _, value = line.partition(": ")
            if field == "event":
                kind = value
            elif field == "id":
                name = value
            elif field == "data":
                data = value.encode()
            elif not line and kind:
                self.messages.append(Message(kind, name, orjson.loads(data), time.time_ns()))
                self._last = {"event": name, "reset": ""}.get(kind, self._last)
                kind, name, data = "", "", b""
