"""What all answers have in common."""

from __future__ import annotations

from typing import Any


class Answer:
    """Compared, hashed and shown by its fields.

    Written once here instead of by each dataclass for itself: most of the time that an import takes is the writing of such methods.
    """

    __slots__ = ()
    __dataclass_fields__: Any

    def __eq__(self, other: object) -> bool:
        if other.__class__ is not self.__class__:
            return NotImplemented
        return self._values() == other._values()

    def __hash__(self) -> int:
        return hash(self._values())

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={value!r}" for name, value in zip(self.__dataclass_fields__, self._values(), strict=True))
        return f"{type(self).__qualname__}({fields})"

    def _values(self) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in self.__dataclass_fields__)
