"""Commands on their way to the engine and back: written to the journal, answered by an event."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import structlog

from alarm_engine.errors import JournalError
from alarm_engine.model.command import Command
from alarm_engine.model.event import Event, EventKind
from alarm_engine.model.state import EventId
from alarm_engine.wire.command import encode_command
from alarm_engine.wire.topics import Topics
from backend.live.follower import Follower
from backend.metrics import Metrics
from backend.outcome import Answer, Outcome
from backend.phoebus.orders import PhoebusOrders
from backend.services import Services

log = structlog.get_logger()

_MAX_IN_FLIGHT = 1000


class IdInUse(Exception):
    """The same id was given to another command."""


@dataclass(frozen=True, slots=True)
class _Flight:
    path: str
    kind: str
    task: asyncio.Task[Answer]


class Commander:
    """Sends commands and waits for their answers. Belongs to one event loop."""

    def __init__(self, services: Services, metrics: Metrics) -> None:
        self._services = services
        self._metrics = metrics
        self._flights: dict[str, _Flight] = {}
        self._phoebus = PhoebusOrders(services.journal)

    def close(self) -> None:
        """Give up waiting: what is on its way is not confirmed."""
        for flight in self._flights.values():
            flight.task.cancel()

    async def execute(self, tree: Follower, command: Command) -> Answer:
        """Send a command and wait for what becomes of it. A repeated one, by its id, is sent once and answered each time.

        Raises `JournalError` if it could not be written, `IdInUse`.
        """
        if tree.phoebus and (given := self._phoebus.known(command)) is not None:
            former, answer = given
            if (former.path, former.kind) != (command.path, command.kind):
                raise IdInUse
            return answer
        known = None if tree.phoebus else tree.answer(command.id)
        if known is not None:
            # The newest answers are in memory; the engine remembers more, and answers an older repetition by itself.
            if known.path != command.path or (known.result is not None and known.result.command != command.kind.value):
                raise IdInUse
            return _answer(known)
        flight = self._flights.get(command.id)
        if flight is None:
            if len(self._flights) >= _MAX_IN_FLIGHT:
                return Answer(Outcome.NOT_CONFIRMED, "too many commands are waiting for the engine; this one was not sent")
            flight = _Flight(command.path, command.kind.value, asyncio.create_task(self._send(tree, command), name="command"))
            self._flights[command.id] = flight
            flight.task.add_done_callback(lambda _: self._flights.pop(command.id, None))
        elif (flight.path, flight.kind) != (command.path, command.kind.value):
            raise IdInUse
        try:
            return await asyncio.shield(flight.task)
        except asyncio.CancelledError:
            if flight.task.cancelled():
                return Answer(Outcome.NOT_CONFIRMED, "the server is stopping")
            raise

    async def _send(self, tree: Follower, command: Command) -> Answer:
        timeout_s = self._services.settings.command_timeout_s
        before = tree.newest
        try:
            if tree.phoebus:
                return self._told(command, await self._phoebus.carry_out(tree, command, timeout_s))
            async with asyncio.timeout(timeout_s):
                await self._services.journal.append([encode_command(command, Topics(tree.config).command)])
                answer = _answer(await self._closing(tree, command.id, before))
        except TimeoutError:
            answer = Answer(
                Outcome.NOT_CONFIRMED, f"the engine has not answered within {timeout_s:g} s; the command may still be carried out"
            )
        except JournalError as problem:
            log.error("command not written", config=tree.config, command=command.kind.value, problem=str(problem))
            self._metrics.commands.labels(command.kind.value, "not_written").inc()
            raise
        return self._told(command, answer)

    def _told(self, command: Command, answer: Answer) -> Answer:
        self._metrics.commands.labels(command.kind.value, answer.outcome.value).inc()
        log.info(
            "command", path=command.path, command=command.kind.value, user=command.user, host=command.host, outcome=answer.outcome.value
        )
        return answer

    async def _closing(self, tree: Follower, correlation: str, before: EventId | None) -> Event:
        while (event := tree.answer(correlation)) is None:
            await tree.wait(before, self._services.settings.command_timeout_s)
            before = tree.newest
        return event


def _answer(event: Event) -> Answer:
    if event.kind is EventKind.REFUSED:
        return Answer(Outcome.REFUSED, event.reason, event=event.id)
    count, left_alone = (event.result.done, event.result.left_alone) if event.result else (0, ())
    return Answer(Outcome.DONE, "", count, left_alone, event.id)
