"""Events as they happen, as server-sent events: a client resumes from the last id it has, without a gap.

Three kinds of messages, told apart by `event:`. `event`: one line of history (its `kind` is in the data, so that a client never misses a
kind that it does not know). `status`: each second, how much can be trusted. `reset`: there is a gap that cannot be filled: load everything
anew. Each carries as `id:` the newest event that the client has with it, also where a filter left that one out.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Annotated, Any

import orjson
import structlog
from fastapi import APIRouter, Header, Query, Response
from pydantic import Field
from starlette.types import Receive, Scope, Send

from alarm_engine.errors import HistoryError
from alarm_engine.model.event import Event, EventKind
from alarm_engine.model.path import is_below
from alarm_engine.model.state import EventId
from alarm_engine.model.times import NANOS_PER_SECOND, Nanos
from backend.api.encoding import event_object
from backend.api.freshness import trust
from backend.api.lookup import Path, Question, event_id, one_tree
from backend.api.problems import PREFIX, RESPONSES, Problem
from backend.history.port import MAX_RANGE_DAYS, EventQuery
from backend.live.follower import Follower
from backend.metrics import Metrics
from backend.services import Services

log = structlog.get_logger()

MAX_GAP = 10_000
"""A client that missed more events than that loads everything anew, which is quicker."""

UNKNOWN_S = 3.0
"""For that long a client may have an event that is not read here yet: another server was quicker."""

HISTORY_S = 5.0
"""For that long the history is waited for."""

_PAGE = 1000
_STATUS_S = 1.0
_LOOK_S = 0.05
_AT_ONCE = 500
_ENCODED = 4000
_DAY_NS = 86_400 * NANOS_PER_SECOND


class StreamQuestion(Question):
    """Parameters of `stream`."""

    path: Path = Field(None, description="Only what concerns this alarm, or this component and what is below and above it.")
    after: str | None = Field(
        None, max_length=200, description="Newest event that the client has; the header Last-Event-ID counts before it."
    )


class Gap(Exception):
    """Events are missing that cannot be had; the message says why."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What one client asks for."""

    tree: Follower
    path: str | None
    after: EventId | None
    problem: str = ""
    """Why `after` could not be read."""


class Streams:
    """All clients that follow events."""

    def __init__(self, services: Services, metrics: Metrics) -> None:
        self.services = services
        self.metrics = metrics
        self.closing = asyncio.Event()
        self.number = 0
        self._encoded: OrderedDict[EventId, bytes] = OrderedDict()

    def close(self) -> None:
        """End all streams, and admit no more."""
        self.closing.set()

    def encode(self, event: Event) -> bytes:
        """The message of an event; encoded once for all clients."""
        message = self._encoded.get(event.id)
        if message is None:
            message = self._encoded[event.id] = _message("event", event.id, event_object(event))
            while len(self._encoded) > _ENCODED:
                self._encoded.popitem(last=False)
        return message

    async def missed(self, tree: Follower, after: EventId) -> list[Event]:
        """Events after that one, up to where memory takes over; raises `Gap`."""
        found: list[Event] = []
        while (rest := tree.recent(after)) is None:
            now = self.services.clock.now().wall
            # The epoch is about the Unix second at which that engine took over: nothing after the event is older.
            start = max((after.epoch - 86_400) * NANOS_PER_SECOND, now - (MAX_RANGE_DAYS - 2) * _DAY_NS)
            query = EventQuery(tree.config, Nanos(start), Nanos(now + _DAY_NS), oldest_first=True, limit=_PAGE, after=after)
            try:
                async with asyncio.timeout(HISTORY_S):
                    page = await self.services.history.events(query)
            except (HistoryError, TimeoutError) as problem:
                raise Gap(f"the history store does not answer: {problem}") from problem
            if not page.events:
                raise Gap("the events in between are not in the history store")
            found += page.events
            after = page.events[-1].id
            if len(found) > MAX_GAP:
                raise Gap(f"more than {MAX_GAP} events in between")
        return found + rest

    async def messages(self, wish: Wish) -> AsyncGenerator[bytes, None]:
        """What one client is sent."""
        tree, known = wish.tree, wish.after
        try:
            if wish.problem:
                raise Gap(wish.problem)
            yield b"retry: 1000\n\n" + _status(tree, known)
            async for status in self._until_read(tree, known):
                yield status
            doubts = _Doubts(tree, known)
            if known is None:
                known = tree.newest
            elif tree.recent(known) is None:
                for event in (events := await self.missed(tree, known)):
                    if _concerns(event, wish.path):
                        yield self.encode(event)
                known = events[-1].id if events else known
            loop = asyncio.get_running_loop()
            due = loop.time() + _STATUS_S
            while not self.closing.is_set():
                await self._wait(tree, known, due - loop.time())
                doubts.check(known, loop.time())
                recent = tree.recent(known)
                if recent is None and known is not None:
                    raise Gap("this client is too slow for the events that come")
                recent = (recent or [])[:_AT_ONCE]
                known = recent[-1].id if recent else known
                chunk = b"".join(self.encode(event) for event in recent if _concerns(event, wish.path))
                if loop.time() >= due or any(event.kind is EventKind.FOREIGN for event in recent):
                    chunk += _status(tree, known)
                    due = loop.time() + _STATUS_S
                if chunk:
                    yield chunk
        except Gap as gap:
            self.metrics.resets.inc()
            log.info("stream reset", config=tree.config, after=str(wish.after), reason=str(gap))
            yield _message("reset", tree.freshness().as_of, {"reason": str(gap), **trust([tree])})

    async def _until_read(self, tree: Follower, known: EventId | None) -> AsyncGenerator[bytes, None]:
        """A client may come to a server that has just been started, from another one: until the journal was read nothing is missing here.

        Status messages while it is read.
        """
        loop = asyncio.get_running_loop()
        due = loop.time() + _STATUS_S
        while known is not None and tree.problem and tree.recent(known) is None and not self.closing.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_S):
                    await self.closing.wait()
            if loop.time() >= due:
                yield _status(tree, known)
                due = loop.time() + _STATUS_S

    async def _wait(self, tree: Follower, known: EventId | None, timeout_s: float) -> None:
        """Until there is an event, the time is over, or the server stops."""
        if timeout_s <= 0:
            return
        event = asyncio.ensure_future(tree.wait(known, timeout_s))
        closing = asyncio.ensure_future(self.closing.wait())
        try:
            await asyncio.wait({event, closing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (event, closing):
                task.cancel()
            await asyncio.gather(event, closing, return_exceptions=True)


class _Doubts:
    """Reasons why a client may lack something that no event will ever tell it."""

    def __init__(self, tree: Follower, known: EventId | None) -> None:
        """Raises `Gap`, as `check`."""
        self._tree = tree
        self._early = known is None and bool(tree.problem)
        self._beyond_since: float | None = None
        if known is not None and tree.contradicts(known):
            raise Gap(_OTHER_PAST)

    def check(self, known: EventId | None, now: float) -> None:
        """Look again; `now` in seconds of a steady clock."""
        if self._tree.problem:
            return
        if self._early:
            raise Gap("the journal had not been read to its end when this client came")
        if not self._tree.is_beyond(known) or self._tree.lagging:
            self._beyond_since = None
        elif self._beyond_since is None:
            self._beyond_since = now
        elif now - self._beyond_since > UNKNOWN_S:
            raise Gap(_OTHER_PAST)


_OTHER_PAST = "the newest event that this client has is not known here: the journal was replaced"


class EventStream(Response):
    """Sends messages as they come. A client that takes nothing for long is let go: it comes back, and is told what it missed."""

    media_type = "text/event-stream"

    def __init__(self, streams: Streams, wish: Wish) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._streams = streams
        self._wish = wish

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the client goes, is too slow, or the server stops."""
        self._streams.number += 1
        self._streams.metrics.streams.inc()
        sending = asyncio.create_task(self._send(send), name="stream")
        going = asyncio.create_task(_until_gone(receive), name="stream client")
        try:
            await asyncio.wait({sending, going}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sending, going):
                task.cancel()
            results = await asyncio.gather(sending, going, return_exceptions=True)
            self._streams.number -= 1
            self._streams.metrics.streams.dec()
        if isinstance(results[0], Exception):
            raise results[0]

    async def _send(self, send: Send) -> None:
        limit_s = self._streams.services.settings.slow_client_s
        messages = self._streams.messages(self._wish)
        try:
            async with asyncio.timeout(None) as patience:
                await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
                async for message in messages:
                    patience.reschedule(asyncio.get_running_loop().time() + limit_s)
                    await send({"type": "http.response.body", "body": message, "more_body": True})
                    patience.reschedule(None)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except TimeoutError:
            # Nothing more can be sent: the server closes the connection of a response that was not completed.
            log.info("client of the stream takes nothing and is let go", config=self._wish.tree.config)
        finally:
            await messages.aclose()


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def stream_router(streams: Streams) -> APIRouter:
    """`stream`."""
    router = APIRouter(prefix=PREFIX, tags=["alarms"], responses=RESPONSES)

    @router.get(
        "/stream",
        summary="Follow events",
        response_class=Response,
        responses={200: {"description": "Messages `event`, `status` and `reset`", "content": {"text/event-stream": {}}}},
    )
    async def stream(
        question: Annotated[StreamQuestion, Query()], last_event_id: Annotated[str | None, Header(max_length=200)] = None
    ) -> Response:
        """Events from now on, or from after the last one that the client has. A `status` each second; silence means a dead connection.

        `reset` means: there is a gap that cannot be filled, load everything anew.
        """
        if streams.closing.is_set():
            raise Problem(503, "this server is stopping", {"Retry-After": "1"})
        if streams.number >= streams.services.settings.max_streams:
            raise Problem(503, f"{streams.number} clients follow events already, more are not admitted", {"Retry-After": "5"})
        tree = one_tree(streams.services.live, question.config, question.path)
        text = last_event_id or question.after
        try:
            wish = Wish(tree, question.path, event_id(text, tree.config) if text else None)
        except ValueError as problem:
            wish = Wish(tree, question.path, None, str(problem))
        return EventStream(streams, wish)

    return router


def _concerns(event: Event, path: str | None) -> bool:
    """True for events at and below a path, and for those above that hold for it too (commands, switches, take-overs)."""
    return path is None or is_below(event.path, path) or is_below(path, event.path)


def _status(tree: Follower, known: EventId | None) -> bytes:
    freshness = tree.freshness()
    status = freshness.status
    engine: dict[str, Any] | None = None
    if status is not None:
        engine = {name: getattr(status, name) for name in ("engine", "epoch", "pvs_total", "pvs_connected", "backlog", "dropped", "lag_ms")}
    unknown = tree.root.counts.unknown
    data = {**trust([tree]), "unknown": unknown, "maintenance": freshness.maintenance, "notify": freshness.notify, "engine": engine}
    data["foreign"] = freshness.foreign
    return _message("status", known, data)


def _message(name: str, newest: EventId | None, data: dict[str, Any]) -> bytes:
    identity = f"id: {newest}\n".encode() if newest is not None else b""
    return b"event: " + name.encode() + b"\n" + identity + b"data: " + orjson.dumps(data) + b"\n\n"
