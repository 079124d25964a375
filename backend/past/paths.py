"""Which alarms a question about a range is about."""

from __future__ import annotations

from collections.abc import Sequence

from alarm_engine.errors import QueryTooLarge
from alarm_engine.model.path import ancestors
from alarm_engine.model.times import Nanos
from backend.history.port import MAX_PAGE, History
from backend.live.model import LiveTree


async def alarms_below(
    history: History, config: str, paths: Sequence[str], span: tuple[Nanos, Nanos], tree: LiveTree | None = None
) -> dict[str, list[str]]:
    """For each path itself, if it is an alarm, or the alarms at and below that component; empty where there was nothing.

    Alarms of now, where that is known; at the begin or end of the range; that rose in it. However many paths, the history is asked once.
    """
    found: dict[str, list[str]] = {path: [] for path in paths}
    now = {} if tree is None else tree.alarms
    components = found.keys() - now.keys()
    known: list[str] = []
    if components:
        prefix = next(iter(components)) if len(components) == 1 else None
        then = [alarm.path for time in span for alarm in (await history.states_at(config, time, prefix)).alarms]
        rose = [one.path for one in await history.most_frequent(config, *span, MAX_PAGE, prefix)]
        if len(rose) == MAX_PAGE:
            raise QueryTooLarge(f"{MAX_PAGE} alarms or more rose in the range: ask for a shorter one, or for a part of the tree")
        known = [*now, *sorted([*then, *rose])]
    for alarm in dict.fromkeys([*(found.keys() & now.keys()), *known]):
        for path in (alarm, *ancestors(alarm), "/"):
            if path in found:
                found[path].append(alarm)
    return found


async def was_there(history: History, config: str, path: str, span: tuple[Nanos, Nanos], tree: LiveTree | None = None) -> bool:
    """True if there is, or was at some time of a range, such an alarm or component: else what is counted for it says nothing."""
    if tree is not None and (path in tree.alarms or path in tree.nodes):
        return True
    return bool((await alarms_below(history, config, [path], span, tree))[path])
