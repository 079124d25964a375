"""Blocking requests beside an event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


async def ask(question: Callable[[], T], name: str) -> T:
    """What it answers, or raises. On a thread of its own: one that waits for a Kafka that hangs must not keep a process from ending."""
    future: Future[T] = Future()
    threading.Thread(target=_answer, args=(question, future), name=name, daemon=True).start()
    return await asyncio.wrap_future(future)


def _answer(question: Callable[[], T], future: Future[T]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(question())
    except Exception as problem:  # noqa: BLE001 - the border between two threads: whoever has asked gets it
        future.set_exception(problem)
