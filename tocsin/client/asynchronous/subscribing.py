"""Changes as they happen."""

from __future__ import annotations

import random
from contextlib import aclosing
from types import TracebackType
from typing import TYPE_CHECKING, Self

from alarm_engine.model.path import split
from tocsin.client.asking import parameters, utc_now
from tocsin.client.asynchronous.live import AsyncLiveQuestions
from tocsin.client.errors import BadRequest, Fault, NotAllowed, NotFound, ServerError, UnexpectedAnswer, Unreachable
from tocsin.client.types.live import AlarmList
from tocsin.client.types.updates import Update
from tocsin.client.waiting import AsyncUpdates, async_sleep

if TYPE_CHECKING:
    from tocsin.client.following import Following


class AsyncSubscription:
    """Updates, one after the other. Ends with `aclose()`, best by `async with`.

    >>> async with client.subscribe() as updates:
    ...     first = await anext(updates)
    >>> type(first).__name__
    'Snapshot'
    """

    def __init__(self, updates: AsyncUpdates) -> None:
        self._updates = updates

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Update:
        return await self._updates.__anext__()

    async def aclose(self) -> None:
        """End it: the connection is given up.

        >>> other = AsyncClient(url)
        >>> await other.aclose()
        """
        await self._updates.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None) -> None:
        await self.aclose()


class AsyncSubscribing(AsyncLiveQuestions):
    """Changes as they happen."""

    def subscribe(
        self, path: str | None = None, *, config: str | None = None, after: str | None = None, beats: bool = False
    ) -> AsyncSubscription:
        """What changes, as it happens: a `Snapshot`, then each `Change`, `Stale` when it can not be relied upon, `Fresh` when it can again.

        It survives restarts of the backend and a change to another one, without a gap and without a double; where a gap can not be filled
        there is a new `Snapshot` that says so. `path`: only what concerns that alarm or component. `after`: id of an event to go on from,
        without a first snapshot. `beats`: also a `Beat` about each second, for whoever has to do something while nothing happens.

        Raises as other questions do until the first update has come; later only what no waiting mends (`NotAllowed`, `NotFound`,
        `BadRequest`).

        >>> async with client.subscribe("/Acc/Vacuum") as updates:
        ...     async for update in updates:
        ...         match update:
        ...             case Snapshot(alarms=alarms):
        ...                 print("now:", [alarm.pv for alarm in alarms])
        ...                 _ = await client.unshelve("/Acc/Vacuum/GC10", user="jo")
        ...             case Change(event=event):
        ...                 print(event.kind, event.pv, event.user)
        ...                 break
        ...             case Stale(why=why):
        ...                 print("do not rely on it:", why)
        now: ['GC1', 'GC10']
        unshelved GC10 jo
        """
        return AsyncSubscription(self._updates(path, config, after, beats))

    async def _updates(self, path: str | None, config: str | None, after: str | None, beats: bool) -> AsyncUpdates:
        from tocsin.client.following import Following

        config = config or (await self._one_configuration() if path is None else split(path)[0])
        try:
            following = Following(after, beats=beats)
        except ValueError as problem:
            raise BadRequest(f"after: {problem}", 422, (Fault("query.after", str(problem), after),)) from None
        begun = False
        while True:
            try:
                async with aclosing(self._connected(following, path, config)) as updates:
                    async for update in updates:
                        begun = True
                        yield update
                why = "" if following.wants_snapshot else "the server ended the connection"
            except (Unreachable, UnexpectedAnswer, ServerError) as problem:
                if not begun or _is_final(problem):
                    raise
                why = str(problem)
            if why:
                for update in following.lost(why, utc_now()):
                    yield update
            await async_sleep(following.pause_s * random.uniform(0.5, 1.0))

    async def _connected(self, following: Following, path: str | None, config: str) -> AsyncUpdates:
        """What comes over one connection, until it ends or all has to be loaded anew."""
        from tocsin.client.sse import Messages

        if following.wants_snapshot:
            for update in following.loaded(await self._standing(path, config), utc_now()):
                yield update
        asked = parameters(path=path, config=config, after=following.after)
        async with self._connection.stream(asked) as pieces:
            messages = Messages()
            async for piece in pieces:
                for message in messages.take(piece):
                    for update in following.take(message, utc_now()):
                        yield update
                    if following.wants_another_stream:
                        return
                    if following.wants_snapshot:
                        for update in following.loaded(await self._standing(path, config), utc_now()):
                            yield update

    async def _standing(self, path: str | None, config: str) -> AlarmList:
        return await self.alarms(path, config=config, state="standing")

    async def _one_configuration(self) -> str:
        if self._settings.config is not None:
            return self._settings.config
        names = [one.name for one in await self.configurations()]
        if len(names) != 1:
            message = f"say which configuration: {', '.join(names) or 'there is none'}"
            raise BadRequest(f"config: {message}", 422, (Fault("query.config", message),))
        return names[0]


def _is_final(problem: Exception) -> bool:
    """The server said so itself, and waiting does not mend it."""
    return isinstance(problem, NotAllowed | NotFound | BadRequest)
