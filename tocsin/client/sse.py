"""Server-sent events out of pieces of bytes. Pure.

Lines end with a line feed only: the data is JSON, which may hold other characters that some take for line ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple


class Message(NamedTuple):
    """One message."""

    name: str
    id: str | None
    data: bytes


class Messages:
    """Puts messages together."""

    def __init__(self) -> None:
        self._rest = b""
        self._name = "message"
        self._id: str | None = None
        self._data = b""

    def take(self, piece: bytes) -> Iterator[Message]:
        """The messages that are complete with this piece."""
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for line in lines:
            if not line:
                if self._data:
                    yield Message(self._name, self._id, self._data)
                self._name, self._id, self._data = "message", None, b""
                continue
            field, _, value = line.partition(b":")
            value = value.removeprefix(b" ")
            if field == b"event":
                self._name = value.decode()
            elif field == b"id":
                self._id = value.decode()
            elif field == b"data":
                self._data += value
