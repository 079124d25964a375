"""The journal held open for revisions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from alarm_engine.config.sync import Writer
from alarm_engine.journal.port import Journal


class HeldWriter:
    """A writer that stays open from one revision to the next, until another one takes over or something goes wrong."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._opened: AbstractAsyncContextManager[Journal] | None = None
        self._journal: Journal | None = None

    def __call__(self) -> AbstractAsyncContextManager[Journal]:
        """See `Writer`."""
        return self._hold()

    @asynccontextmanager
    async def _hold(self) -> AsyncIterator[Journal]:
        if self._journal is None:
            self._opened = self._writer()
            self._journal = await self._opened.__aenter__()
        good = False
        try:
            yield self._journal
            good = True
        finally:
            if not good:
                await self.close()

    async def close(self) -> None:
        """Let go; may be called again."""
        opened, self._opened, self._journal = self._opened, None, None
        if opened is not None:
            await opened.__aexit__(None, None, None)
