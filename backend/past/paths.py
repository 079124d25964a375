"""Which alarms a question about a range is about."""

from __future__ import annotations

from alarm_engine.model.path import is_below
from alarm_engine.model.times import Nanos
from backend.history.port import MAX_PAGE, HistoryStore
from backend.live.model import LiveTree


async def alarms_below(history: HistoryStore, config: str, path: str, span: tuple[Nanos, Nanos], tree: LiveTree | None = None) -> list[str]:
    """An alarm, or those at and below a component: of now, where that is known; at the begin or end of the range; that rose in it.

    Empty for a path at which there was nothing.
    """
    if tree is not None and path in tree.alarms:
        return [path]
    now = [] if tree is None else [alarm for alarm in tree.alarms if is_below(alarm, path)]
    then = [alarm.path for time in span for alarm in (await history.states_at(config, time, path)).alarms]
    rose = [one.path for one in await history.most_frequent(config, *span, MAX_PAGE, path)]
    return list(dict.fromkeys([*now, *sorted([*then, *rose])]))
