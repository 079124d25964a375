"""Keeps the table's rows as the server tells them: one subscription for each configuration, opened again when it ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from alarm_engine.errors import TocsinError
from tocsin.client import AsyncClient
from tocsin.client.types import Beat, Change, Fresh, Snapshot, Update
from tocsin.terminal.rows import Rows
from tocsin.terminal.trust import Feed

AGAIN_S = 1.0
"""How long after a subscription that ended the next one is tried."""


async def follow(client: AsyncClient, feed: Feed, rows: Rows, changed: Callable[[], None]) -> None:
    """Follow one configuration until cancelled. `changed` is called after each update."""
    while True:
        try:
            async with client.subscribe(config=feed.config, beats=True) as updates:
                async for update in updates:
                    _take(update, feed, rows)
                    changed()
            feed.fail("the subscription ended")
        except TocsinError as problem:
            feed.fail(str(problem))
        changed()
        await asyncio.sleep(AGAIN_S)


def _take(update: Update, feed: Feed, rows: Rows) -> None:
    feed.take(update, time.monotonic())
    if isinstance(update, Snapshot):
        rows.take_snapshot(feed.config, update)
    elif isinstance(update, Change):
        rows.take_change(feed.config, update)
    elif isinstance(update, Fresh | Beat):
        rows.known(feed.config, update.as_of)
