"""Waiting, for both kinds of clients."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Generator

from tocsin.client.types.updates import Update

AsyncUpdates = AsyncGenerator[Update, None]
Updates = Generator[Update, None, None]


async def async_sleep(seconds: float) -> None:
    """Let others work for that long."""
    import asyncio

    await asyncio.sleep(seconds)


def sleep(seconds: float) -> None:
    """Do nothing for that long."""
    time.sleep(seconds)
