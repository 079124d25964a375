"""How old the data of an answer is: of what is now by the engine's life sign, of what was by how far the history is."""

from __future__ import annotations

from backend.live.model import LiveTree
from backend.queries.alerting import history_lag_s
from backend.queries.request import Ask, Row, Sources


def live_age_s(tree: LiveTree) -> float | None:
    """Seconds since the engine's last life sign; None: none was ever seen."""
    age = tree.freshness().age_s
    return None if age is None else round(age, 1)


async def past_age_s(tree: LiveTree, sources: Sources) -> float | None:
    """Up to how many seconds ago the history is complete: no event is in it that the engine has not yet written."""
    live = live_age_s(tree)
    return None if live is None else max(live, await history_lag_s(tree, sources))


async def ages(sources: Sources, ask: Ask) -> list[Row]:
    """A row for each configuration: age of answers about now, and of answers about the past."""
    return [
        {"config": tree.config, "data_age": live_age_s(tree), "past_age": await past_age_s(tree, sources)} for tree in sources.asked(ask)
    ]


def oldest(ages: list[float | None]) -> float | None:
    """The age of an answer about several configurations; None if that of one is unknown."""
    known = [age for age in ages if age is not None]
    return max(known) if known and len(known) == len(ages) else None
