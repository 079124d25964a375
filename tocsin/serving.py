"""A process that serves until it is asked to end, or until a part of it has ended that must not."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from typing import Protocol, TypeVar

from alarm_engine.errors import TocsinError

_LOOK_S = 0.5


class Service(Protocol):
    """What a process does, as an object."""

    async def start(self) -> None:
        """Raises a `TocsinError` that says what is wrong; `stop` undoes the rest."""
        ...

    def failure(self) -> BaseException | None:
        """What ended a part that must not end; None while all is well."""
        ...

    async def stop(self) -> None:
        """Stop; may be called again, and after a start that failed."""
        ...


S = TypeVar("S", bound=Service)


async def serve(service: S, started: Callable[[S], None]) -> None:
    """Run until a signal or until a part that must not end has ended; raises what ended it."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    try:
        starting = asyncio.create_task(service.start())
        asked = asyncio.create_task(stopping.wait())
        await asyncio.wait({starting, asked}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            await starting
            started(service)
            await until_ended(service, stopping)
        else:
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
        asked.cancel()
    finally:
        await service.stop()


async def until_ended(service: Service, stopping: asyncio.Event) -> None:
    """Until it is asked to stop; raises what ended a part that must not end."""
    while not stopping.is_set():
        failure = service.failure()
        if isinstance(failure, TocsinError):
            raise failure
        if failure is not None:
            raise RuntimeError("a part of tocsin ended that must not end") from failure
        try:
            async with asyncio.timeout(_LOOK_S):
                await stopping.wait()
        except TimeoutError:
            continue
