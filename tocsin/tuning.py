"""`tocsin tune` without its words: alarms of a site found by path, their recordings judged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo

from alarm_engine.config.fault import suggestion
from alarm_engine.config.in_force import in_force
from alarm_engine.config.load import read_tree
from alarm_engine.config.tree import ConfigTree, arrange
from alarm_engine.errors import SettingsError
from alarm_engine.model import path as paths
from alarm_engine.model.settings import AlarmSettings, NodeSettings
from alarm_engine.model.times import Nanos
from backend.history.port import HistoryStore
from backend.tuning.gather import Gatherer, Range
from backend.tuning.proposals import Judgement
from backend.tuning.recording import Recording
from tocsin.journals import visiting
from tocsin.settings import Settings
from tocsin.trees import refuse_another_name

_MOST_HINTED = 10_000
"""Looking for what was meant is slow."""
Judge = Callable[[Recording, AlarmSettings], Judgement]


@dataclass(frozen=True, slots=True)
class SiteTree:
    """An alarm tree of the site, with the settings that are taken to be in force."""

    tree: ConfigTree
    first: Path | None
    """First file; None: the tree is only in the journal."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be judged."""

    start: Nanos
    end: Nanos
    worst: int | None
    """Of a component so many alarms, those that rose most often; None: all to which something happened."""


@dataclass(slots=True)
class Found:
    """Judgements, and what there is none of."""

    judgements: list[Judgement] = field(default_factory=list)
    silent: list[str] = field(default_factory=list)
    """Paths that were asked for and of which nothing is recorded in the range."""


async def site_trees(site: Settings) -> list[SiteTree]:
    """All trees of a site: as the files have them, or the journal where there are none. Raises `TocsinError`."""
    trees: list[SiteTree] = []
    for one in site.configurations:
        if one.tree is not None:
            tree = read_tree(one.tree)
            refuse_another_name(one, tree)
            trees.append(SiteTree(tree, one.tree))
        elif one.name is not None:
            bare = arrange(one.name, one.time_zone or "UTC", {}, {})
            async with visiting(site) as journal:
                topic = (await in_force(journal, bare.name, ZoneInfo(bare.time_zone))).topic
            nodes = {path: settings for path, settings in topic.items() if isinstance(settings, NodeSettings)}
            alarms = {path: settings for path, settings in topic.items() if isinstance(settings, AlarmSettings)}
            trees.append(SiteTree(arrange(bare.name, bare.time_zone, nodes, alarms), None))
    return trees


def select(trees: Sequence[SiteTree], asked: Sequence[str]) -> dict[str, SiteTree]:
    """Canonical paths of alarms and components with their tree: all trees if nothing is asked for.

    A name without a slash is that of a PV. Raises `SettingsError` that lists all that is unknown.
    """
    if not asked:
        return {one.tree.root: one for one in trees}
    found: dict[str, SiteTree] = {}
    unknown: list[str] = []
    for text in asked:
        path = paths.canonical(text)
        here = {
            known: one
            for one in trees
            for known in (*one.tree.nodes, *one.tree.alarms)
            if known == path or (not paths.is_path(text) and known in one.tree.alarms and paths.name(known) == text)
        }
        if not here:
            every = [known for one in trees for known in (*one.tree.nodes, *one.tree.alarms)][:_MOST_HINTED]
            unknown.append(f"{text}: there is no such alarm or component in the trees of this site{suggestion(path, every)}")
        found |= here
    if unknown:
        raise SettingsError("\n".join(unknown))
    return found


async def judge_all(history: HistoryStore, chosen: dict[str, SiteTree], wanted: Wanted, judge: Judge) -> Found:
    """Judgements of what was chosen, each alarm once. Raises `HistoryError`."""
    found = Found()
    gatherers: dict[str, Gatherer] = {}
    done: set[str] = set()
    for path, one in chosen.items():
        gatherer = gatherers.setdefault(one.tree.name, Gatherer(history, Range(one.tree.name, wanted.start, wanted.end)))
        alarms = await _alarms(gatherer, path, one.tree, wanted.worst)
        if not alarms:
            found.silent.append(path)
        for alarm in alarms:
            if alarm not in done:
                done.add(alarm)
                found.judgements.append(judge(await gatherer.recording(alarm), one.tree.alarms[alarm]))
    return found


async def _alarms(gatherer: Gatherer, path: str, tree: ConfigTree, worst: int | None) -> list[str]:
    """Those that are still in the tree."""
    if worst is not None and path not in tree.alarms:
        return [alarm for alarm in await gatherer.worst(path, worst) if alarm in tree.alarms]
    return await gatherer.touched([alarm for alarm in tree.alarms if paths.is_below(alarm, path)])
