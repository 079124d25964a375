"""Lines that a test can cut, hang and mend: TCP proxies on loopback, all in one thread.

with Network() as network:
    line = network.line(("127.0.0.2", port), ("127.0.0.1", port))
    line.cut()
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from enum import Enum
from typing import Self

Address = tuple[str, int]


class Condition(Enum):
    """How a line is."""

    SOUND = "sound"
    CUT = "cut"
    """Connections are reset, new ones too."""
    DEAF = "deaf"
    """Connections stay, and nothing goes through: as when packets are dropped."""


class Line:
    """One way from clients to a server. Called from any thread but the network's own."""

    def __init__(self, network: Network, listen: Address, target: Address) -> None:
        self._network = network
        self.listen = listen
        self.target = target
        self.condition = Condition.SOUND
        self._sound = asyncio.Event()
        self._sound.set()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def cut(self) -> None:
        """Reset all connections, and each new one."""
        self._network.run(lambda: self._become(Condition.CUT))

    def deafen(self) -> None:
        """Let nothing through, and keep connections open."""
        self._network.run(lambda: self._become(Condition.DEAF))

    def mend(self) -> None:
        """As it was; connections that were deaf go on with what had come meanwhile."""
        self._network.run(lambda: self._become(Condition.SOUND))

    def _become(self, condition: Condition) -> None:
        self.condition = condition
        if condition is Condition.CUT:
            for writer in list(self._writers):
                writer.transport.abort()
        (self._sound.clear if condition is Condition.DEAF else self._sound.set)()

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._serve, *self.listen)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        self._become(Condition.CUT)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        target: asyncio.StreamWriter | None = None
        try:
            if self.condition is Condition.CUT:
                return
            with contextlib.suppress(OSError):
                from_target, target = await asyncio.open_connection(*self.target)
                self._writers.add(target)
                ways = [asyncio.ensure_future(self._pump(reader, target)), asyncio.ensure_future(self._pump(from_target, writer))]
                try:
                    await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for way in ways:
                        way.cancel()
                    await asyncio.gather(*ways, return_exceptions=True)
        finally:
            for one in (writer, target):
                if one is not None:
                    self._writers.discard(one)
                    one.transport.abort()
            self._tasks.discard(task)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                await self._sound.wait()
                writer.write(data)
                await writer.drain()


class Network:
    """All lines of a test."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._lines: list[Line] = []
        self._thread = threading.Thread(target=self._loop.run_forever, name="network")
        self._thread.start()

    def line(self, listen: Address, target: Address) -> Line:
        """A new way, sound in the beginning."""
        made = Line(self, listen, target)
        asyncio.run_coroutine_threadsafe(made.open(), self._loop).result(10)
        self._lines.append(made)
        return made

    def run(self, action: Callable[[], None]) -> None:
        """Do something in the thread of the network; returns when it is done."""

        async def do() -> None:
            action()

        asyncio.run_coroutine_threadsafe(do(), self._loop).result(10)

    def close(self) -> None:
        """Reset everything."""
        for line in self._lines:
            asyncio.run_coroutine_threadsafe(line.close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
