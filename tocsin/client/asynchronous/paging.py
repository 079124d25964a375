"""Long answers, read page by page as they are taken."""

from __future__ import annotations

from typing import Generic

from tocsin.client.pages import AsyncAsk, T

_PAGE = 1000


class AsyncPages(Generic[T]):
    """An iterator over what happened in a range of time. Each page is asked for when its first row is taken.

    >>> found = client.events("/Acc/Vacuum/GC1", start="2h")
    >>> [event.kind async for event in found]
    ['alarm']
    >>> found.complete, found.remark.partition(": ")[2]
    (False, 'nothing was recorded by then')
    """

    def __init__(self, ask: AsyncAsk[T], limit: int | None, after: str | None) -> None:
        self._ask = ask
        self._left = limit
        self._after = after
        self._rows: list[T] = []
        self._is_last = False
        self._complete: bool | None = None
        self._remark = ""

    @property
    def complete(self) -> bool | None:
        """All that happened in the part of the range that was read so far is known. False: do not read silence as calm.

        None before the first row was asked for, and of servers that do not tell.

        >>> found = client.events(start="2h")
        >>> [event.pv async for event in found if event.kind == "shelved"]
        ['GC10']
        >>> found.complete
        False
        """
        return self._complete

    @property
    def remark(self) -> str:
        """Why it is not; empty if it is.

        >>> found = client.events(start="2h")
        >>> _ = [event async for event in found]
        >>> found.remark.endswith("nothing was recorded by then")
        True
        """
        return self._remark

    def __aiter__(self) -> AsyncPages[T]:
        return self

    async def __anext__(self) -> T:
        while not self._rows:
            if self._is_last or self._left == 0:
                raise StopAsyncIteration
            await self._turn()
        return self._rows.pop()

    async def _turn(self) -> None:
        page = await self._ask(_PAGE if self._left is None else min(_PAGE, self._left), self._after)
        self._rows = list(reversed(page.rows))
        self._after, self._is_last = page.next, page.next is None
        if self._left is not None:
            self._left = max(0, self._left - len(page.rows))
        if page.complete is not None:
            self._complete = page.complete and self._complete is not False
        self._remark = self._remark or page.remark
