"""What long answers are made of, for both kinds of clients."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T]):
    """What the server gave at once."""

    rows: Sequence[T]
    next: str | None
    """Cursor of the following page, None at the end."""
    complete: bool | None
    """All that happened in its part of the range is known; None: the server does not tell."""
    remark: str


AsyncAsk = Callable[[int, str | None], Awaitable[Page[T]]]
Ask = Callable[[int, str | None], Page[T]]
"""Asks for a page of at most so many rows after a cursor."""
