"""How much an answer can be trusted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from tocsin.client.errors import StaleAnswer
from tocsin.client.types.answer import Answer


class Trusted(Answer):
    """An answer with the members `as_of`, `age_s` and `stale`."""

    __slots__ = ()

    def raise_if_stale(self) -> Self:
        """This answer; raises `StaleAnswer` if it is old, so that a script never takes silence for calm.

        >>> client.summary().raise_if_stale().systems[0].system
        'RF'
        """
        answer: Any = self
        if answer.stale:
            told = "never gave a life sign" if answer.age_s is None else f"gave its last life sign {answer.age_s:.0f} s ago"
            newest = answer.as_of or "none"
            raise StaleAnswer(f"the answer is old (newest event: {newest}): the alarm engine {told}, or the server is behind")
        return self


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Live(Trusted):
    """What every live answer says about itself.

    >>> isinstance(client.summary(), Live)
    True
    >>> client.alarms().raise_if_stale().total
    1
    """

    as_of: str | None
    """Newest event that is in the answer; None before the first, and over several configurations."""
    age_s: float | None
    """Seconds since the engine's last life sign; None: there never was one."""
    stale: bool
    """What is shown is old: the engine is silent, or the server has not read all. An empty list means nothing then."""
