"""Commands of the table: for which rows, and several at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from tocsin.cli.command_words import WORDS, Failed, Kind
from tocsin.cli.printing import at_prompt
from tocsin.client import AsyncClient
from tocsin.client.errors import ClientError
from tocsin.client.types import CommandResult
from tocsin.terminal.dialogs import Asked
from tocsin.terminal.rows import Row

AT_ONCE = 6
"""Commands under way at the same time, as on the operator's page."""


@dataclass(frozen=True, slots=True)
class Order:
    """A command for one alarm."""

    kind: Kind
    path: str
    seen: str | None
    """Newest event that the user had seen when he decided."""


def fitting(kind: Kind, rows: Sequence[Row]) -> list[Row]:
    """Those for which the command makes sense."""
    return [row for row in rows if WORDS[kind].fits(row.alarm)]


def about(rows: Sequence[Row]) -> str:
    """What is asked about."""
    return f"{rows[0].alarm.pv}   {rows[0].alarm.description}\n{rows[0].path}" if len(rows) == 1 else f"{len(rows)} alarms"


async def send(
    client: AsyncClient, orders: Sequence[Order], asked: Asked, user: str | None, settled: Callable[[str], None]
) -> list[CommandResult | Failed]:
    """Send them all for a user (None: who the client takes for it); `settled` is called with the path of each that has its answer."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(order: Order) -> CommandResult | Failed:
        async with gate:
            try:
                return await _call(client, order, asked, user)
            except ClientError as problem:
                # What raises was surely not carried out; what may have been is a result.
                return Failed(order.path, at_prompt(str(problem)))
            finally:
                settled(order.path)

    return list(await asyncio.gather(*map(one, orders)))


def _call(client: AsyncClient, order: Order, asked: Asked, user: str | None) -> Coroutine[Any, Any, CommandResult]:
    given: dict[str, Any] = {"reason": asked.reason, "user": user}
    if order.kind is Kind.ACKNOWLEDGE:
        given["seen"] = order.seen
    if order.kind is Kind.SHELVE:
        given["duration"] = asked.duration
    method: Callable[..., Coroutine[Any, Any, CommandResult]] = getattr(client, order.kind.value)
    return method(order.path, **given)
