"""One engine, which owns everything it is given."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from alarm_engine.ownership.port import Wait


class SoleOwnership:
    """For a single process: the embedded journal admits only one engine by its own lock."""

    async def start(self) -> None:
        """Nobody to ask."""

    async def acquire(self, config: str, waiting: Callable[[Wait], None]) -> SoleLease:
        """Granted at once."""
        return SoleLease()

    async def withdraw(self, config: str) -> None:
        """There is nobody else."""

    async def close(self) -> None:
        """Nobody to tell."""


class SoleLease:
    """Never lost."""

    in_doubt = False
    """There is nobody else."""
    doubted_at = 0.0

    async def lost(self) -> str:
        """Waits for ever."""
        await asyncio.Event().wait()
        return ""

    async def release(self) -> None:
        """Nothing to give up."""
