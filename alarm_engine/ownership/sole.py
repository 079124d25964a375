"""One engine, which owns everything it is given."""

from __future__ import annotations


class SoleOwnership:
    """For a single process: the embedded journal admits only one engine by its own lock."""

    async def acquire(self, config: str) -> None:
        """Granted at once."""

    async def release(self, config: str) -> None:
        """Nothing to give up."""
