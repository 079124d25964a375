"""A subscription and its line: what is asked after what, and what ends it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.unit.test_client_following import event, reset, status
from tocsin.client import BadRequest, Change, Client, Fresh, NotAllowed, Snapshot, Stale, Unreachable
from tocsin.client.sse import Message
from tocsin.client.synchronous import subscribing

Answer = httpx.Response | Exception


@pytest.fixture(autouse=True)
def pauses(monkeypatch):
    """How long was waited, without waiting."""
    found: list[float] = []
    monkeypatch.setattr(subscribing, "sleep", found.append)
    return found


def stream(*messages: Message) -> httpx.Response:
    text = b"".join(b"event: %s\nid: %s\ndata: %s\n\n" % (m.name.encode(), (m.id or "").encode(), m.data) for m in messages)
    return httpx.Response(200, headers={"Content-Type": "text/event-stream"}, content=text)


def alarms(as_of: int | None = 7, stale: bool = False) -> httpx.Response:
    body = {"as_of": f"A.1.{as_of}" if as_of else None, "age_s": 0.1, "stale": stale, "total": 0, "alarms": [], "next": None}
    return httpx.Response(200, json=body)


class Server:
    """Gives prepared answers, and keeps what it was asked."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append((request.url.path.rpartition("/")[2], dict(request.url.params)))
        if not self.answers:
            raise httpx.ConnectError("that was all")
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def told(self, number: int, **options: Any) -> list[Any]:
        """The first updates."""
        with Client("http://127.0.0.1", transport=httpx.MockTransport(self), retries=0) as client:
            updates = client.subscribe(config="A", **options)
            try:
                return [next(updates) for _ in range(number)]
            finally:
                updates.close()

    def afters(self) -> Iterator[str | None]:
        return (asked.get("after") for what, asked in self.asked if what == "stream")


def kinds(updates: list[Any]) -> list[str]:
    return [type(update).__name__ for update in updates]


def test_it_goes_on_after_the_last_event_that_it_has(pauses):
    server = Server(alarms(7), stream(event(8), event(9)), stream(event(10)), httpx.ReadError("reset"), stream(event(11)))
    told = server.told(6)
    assert isinstance(told.pop(4), Stale), "of two tries in a row"
    assert [update.event.id for update in told[1:]] == ["A.1.8", "A.1.9", "A.1.10", "A.1.11"]
    assert list(server.afters()) == ["A.1.7", "A.1.9", "A.1.10", "A.1.10"]
    assert [what for what, _ in server.asked] == ["alarms", "stream", "stream", "stream", "stream"]
    assert len(pauses) == 3
    assert all(0 < pause < 1 for pause in pauses)


def test_a_reset_loads_all_anew_and_says_stale_if_that_fails():
    gone = httpx.ConnectError("refused")
    server = Server(alarms(7), stream(reset("too far behind")), gone, gone, alarms(50), stream(status(50, 50), event(51)))
    told = server.told(5)
    assert kinds(told) == ["Snapshot", "Stale", "Snapshot", "Fresh", "Change"]
    assert "refused" in told[1].why
    assert told[2].gap == "too far behind"
    assert list(server.afters()) == ["A.1.7", "A.1.50"]


def test_nothing_that_only_waits_ends_it():
    full = httpx.Response(503, json={"message": "500 clients follow already"})
    trouble = [httpx.ConnectError("refused"), full, httpx.Response(500), httpx.Response(404)]
    server = Server(alarms(7), *trouble, httpx.Response(200, text="<html>"), stream(status(7, 7), event(8)))
    told = server.told(4)
    assert kinds(told) == ["Snapshot", "Stale", "Fresh", "Change"]
    assert told[1].why == "500 clients follow already"


def test_what_no_waiting_mends_ends_it():
    server = Server(alarms(7), httpx.Response(403, json={"message": "mara may not look"}))
    with pytest.raises(NotAllowed, match="mara may not look"):
        server.told(2)


def test_the_begin_is_as_that_of_any_question():
    with pytest.raises(Unreachable):
        Server(httpx.ConnectError("refused")).told(1)
    with pytest.raises(Unreachable):
        Server(httpx.ConnectError("refused")).told(1, after="A.1.3")


def test_where_nothing_has_happened_yet_all_is_loaded_while_the_stream_is_open():
    server = Server(alarms(None), stream(status(None, None), event(1), event(2)), alarms(1))
    told = server.told(2)
    assert isinstance(told[0], Snapshot)
    assert told[0].as_of == "A.1.1"
    assert isinstance(told[1], Change)
    assert told[1].event.id == "A.1.2", "the first one is in the snapshot"
    assert [what for what, _ in server.asked] == ["alarms", "stream", "alarms"]


def test_it_asks_for_one_configuration_and_what_stands():
    server = Server(alarms(7), stream(event(8)))
    server.told(2, path="/A/S")
    assert server.asked[0][1] == {"config": "A", "path": "/A/S", "state": "standing", "sort": "severity", "limit": "10000"}
    assert server.asked[1][1] == {"config": "A", "path": "/A/S", "after": "A.1.7"}
    configurations = {"configurations": [], "as_of": None, "age_s": None, "stale": True}
    nothing = httpx.MockTransport(Server(httpx.Response(200, json=configurations)))
    with Client("http://127.0.0.1", transport=nothing) as client, pytest.raises(BadRequest, match="say which configuration"):
        next(client.subscribe())


def test_stale_and_fresh_by_what_the_server_says_of_its_engine():
    server = Server(alarms(7), stream(status(7, 7, age_s=9.0, stale=True), status(7, 7)))
    assert [type(update) for update in server.told(3)] == [Snapshot, Stale, Fresh]
