"""Answers as pandas data frames: `pip install tocsin[pandas]`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from tocsin.client.errors import ClientError
from tocsin.client.types import Counts, Difference, Figures, Intervals, PastAlarms, Summary, Top
from tocsin.client.types.live import AlarmList

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["frame"]

Rows = Iterable[Any] | AlarmList | PastAlarms | Summary | Counts | Difference | Figures | Intervals | Top


def frame(answer: Rows) -> pd.DataFrame:
    """Rows of an answer as a data frame: a column for each field, those of parts with the name of the part before them.

    Takes whole answers (alarms, past alarms, summary, counts, difference, figures, intervals, top) and any iterable of results, as the
    events of an iterator. Times are UTC. An empty answer is a frame without rows. Raises `ClientError` where pandas is not installed.

    >>> table = frames.frame(client.alarms(state="standing"))
    >>> list(table["pv"]), list(table["acknowledgement_user"])[1]
    (['GC1', 'P1', 'GC10'], 'mara')
    >>> events = frames.frame(client.events(start="1h"))
    >>> int(events.groupby("kind").size()["alarm"])
    2
    """
    try:
        import pandas as pd
    except ImportError as problem:
        raise ClientError("frames need pandas: pip install 'tocsin[pandas]'") from problem
    return pd.DataFrame([_flat(row) for row in _rows(answer)])


def _rows(answer: Rows) -> Iterator[Any]:
    match answer:
        case AlarmList() | PastAlarms() | Top():
            yield from answer.alarms
        case Summary():
            yield from answer.systems
        case Difference():
            yield from answer.changes
        case Figures():
            yield from answer.figures
        case Counts():
            for bucket in answer.buckets:
                yield {"start": bucket.start, **bucket.counts}
        case Intervals():
            for line in answer.alarms:
                for interval in line.intervals:
                    yield {"path": line.path, "pv": line.pv, "system": line.system, **_flat(interval)}
        case _:
            yield from answer


def _flat(row: Any, before: str = "") -> dict[str, Any]:
    """Fields of a row, those of its parts on the same level."""
    if isinstance(row, dict):
        return row
    found: dict[str, Any] = {}
    for field in dataclasses.fields(row):
        value = getattr(row, field.name)
        if dataclasses.is_dataclass(value):
            found |= _flat(value, f"{before}{field.name}_")
        else:
            found[before + field.name] = str(value) if isinstance(value, str) else value
    return found
