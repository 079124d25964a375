"""Port to the question which configurations an engine owns."""

from __future__ import annotations

from typing import Protocol


class Ownership(Protocol):
    """Says when this engine may publish for a configuration."""

    async def acquire(self, config: str) -> None:
        """Wait until this engine owns the configuration."""
        ...

    async def release(self, config: str) -> None:
        """Give it up."""
        ...
