"""Port to process variables.

A source delivers ordered batches of `Reading`, `Connection` and `Failure` to one *sink*. The sink is called from a thread of the
source, never from a callback of the network library; it returns quickly and never blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from alarm_engine.model.reading import Input

Sink = Callable[[Sequence[Input]], None]


class Subscription(NamedTuple):
    """A process variable to watch."""

    pv: str
    """Name as the tree has it, e.g. `SR01:VAC:GC1` or `ca://SR01:VAC:GC1`."""
    values: bool = False
    """Deliver every change of the value, not only of the alarm."""


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """How the source is doing."""

    total: int
    """Process variables asked for."""
    connected: int
    age_s: float
    """Seconds since its queue was last drained."""
    queued: int
    """Items received from the network and not yet handed on."""


class Watching(Protocol):
    """What those need who watch process variables."""

    def subscribe(self, subscriptions: Iterable[Subscription]) -> None:
        """Watch more variables; one that is watched already changes its `values`. Returns before they connect."""
        ...

    def unsubscribe(self, pvs: Iterable[str]) -> None:
        """Stop watching; nothing is delivered for them afterwards, but for what is already on its way."""
        ...

    def status(self) -> SourceStatus:
        """How it is doing; cheap."""
        ...


class Source(Watching, Protocol):
    """A way to process variables."""

    def start(self, sink: Sink) -> None:
        """Begin to deliver. Raises `SourceError` if the library cannot be used."""
        ...

    def close(self) -> None:
        """Stop everything; the sink is not called afterwards."""
        ...
