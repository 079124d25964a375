"""Between the thread of a member and the event loop: topics become configurations, calls become callbacks of the loop."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterable
from functools import partial
from typing import Protocol


class Election(Protocol):
    """Whoever is told, on the event loop, what the group says of configurations. See `kafka_member.Listener`."""

    def assigned(self, configs: frozenset[str]) -> None:
        """These are ours too."""
        ...

    def revoked(self, configs: frozenset[str], done: threading.Event) -> None:
        """Another is to have these, once `done` is set."""
        ...

    def lost(self, configs: frozenset[str], hung: bool) -> None:
        """These are not ours any more."""
        ...

    def confirmed(self, number: int) -> None:
        """What is held was ours a moment ago."""
        ...

    def troubled(self, problem: str) -> None:
        """Why we cannot take part."""
        ...


class Relay:
    """Brings what the group says from the thread of the member to the event loop; a `Listener`."""

    def __init__(self, election: Election, configs: Callable[[Iterable[str]], frozenset[str]], loop: asyncio.AbstractEventLoop) -> None:
        """`configs`: those that some topics stand for."""
        self._election = election
        self._configs = configs
        self._loop = loop
        self.over = asyncio.Event()
        """The group was left."""

    def assigned(self, topics: frozenset[str]) -> None:
        """See `Listener.assigned`."""
        self._post(partial(self._election.assigned, self._configs(topics)))

    def revoked(self, topics: frozenset[str]) -> threading.Event:
        """See `Listener.revoked`."""
        done = threading.Event()
        self._post(partial(self._election.revoked, self._configs(topics), done))
        return done

    def lost(self, topics: frozenset[str], hung: bool) -> None:
        """See `Listener.lost`."""
        self._post(partial(self._election.lost, self._configs(topics), hung))

    def confirmed(self, number: int) -> None:
        """See `Listener.confirmed`."""
        self._post(partial(self._election.confirmed, number))

    def troubled(self, problem: str) -> None:
        """See `Listener.troubled`."""
        self._post(partial(self._election.troubled, problem))

    def ended(self) -> None:
        """See `Listener.ended`."""
        self._post(self.over.set)

    def _post(self, action: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended without closing us
            self._loop.call_soon_threadsafe(action)
