"""Port to the question which configurations an engine owns.

Owning is leave to publish. It does not keep others from writing: that is the journal's, which takes records of one writer only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol


class Wait(NamedTuple):
    """Why a configuration is not ours."""

    why: str
    """In words."""
    trouble: bool
    """Something is wrong; False while another engine has the configuration, or an election is under way."""


class Lease(Protocol):
    """A configuration that is ours, until it is lost or released."""

    @property
    def in_doubt(self) -> bool:
        """Nobody said for too long that it is still ours: another engine may have been elected, and have heard what we did not."""
        ...

    @property
    def doubted_at(self) -> float:
        """When it came to be so last, by the monotonic clock in seconds; 0: never."""
        ...

    async def lost(self) -> str:
        """Waits until this engine must stop publishing for it; returns why."""
        ...

    async def release(self) -> None:
        """Nothing is published any more: another may begin. May be called again."""
        ...


class Ownership(Protocol):
    """Says when this engine may publish for a configuration."""

    async def start(self) -> None:
        """Begin to take part; returns at once."""
        ...

    async def acquire(self, config: str, waiting: Callable[[Wait], None]) -> Lease:
        """Take part for the configuration from now on, and wait until this engine owns it.

        `waiting` is told for what or for whom it waits, whenever that becomes known or changes.
        """
        ...

    async def withdraw(self, config: str) -> None:
        """Take part no more for this configuration, whose lease was released, until it is asked for again."""
        ...

    async def close(self) -> None:
        """Take part no more; leases have been released."""
        ...
