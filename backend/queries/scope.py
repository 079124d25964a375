"""The alarms of a question, sorted by subsystem."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from alarm_engine.model.path import is_below, name
from alarm_engine.model.severity import Severity
from alarm_engine.model.subsystem import DIRECT, TOP_LEVEL, system_uid, title
from alarm_engine.model.times import NANOS_PER_SECOND, Nanos
from backend.live.model import Counts, Freshness, LiveAlarm, LiveNode, LiveTree
from backend.live.standing import Standing, counted, standing
from backend.queries.request import Ask, Sources

STALE = "STALE"
LIVE = "LIVE"
_HIDDEN = (Standing.SHELVED, Standing.DISABLED)


@dataclass(frozen=True, slots=True)
class Subsystem:
    """A component directly below the root, or what stands directly below it."""

    config: str
    name: str
    """`""` for alarms directly below the root."""
    path: str
    counts: Counts
    node: LiveNode | None
    """None for alarms directly below the root."""
    direct: Mapping[str, LiveAlarm]
    """Those, else empty."""
    identity: str = ""
    """The lasting identity of the component, if it has one."""

    @property
    def title(self) -> str:
        """What people read."""
        return title(self.name)

    @property
    def dash(self) -> str:
        """Identity of its dashboard."""
        return system_uid(self.config, self.name, self.identity)

    def alarms(self, notable: bool = False) -> Iterator[LiveAlarm]:
        """Its alarms; with `notable`, of those that are OK or unknown most are left out without looking at them."""
        if self.node is None:
            yield from self.direct.values()
        else:
            yield from _walk(self.node, notable)


def _walk(node: LiveNode, notable: bool) -> Iterator[LiveAlarm]:
    if notable and node.counts.severities[Severity.OK] + node.counts.unknown == node.counts.total:
        return
    yield from node.alarms.values()
    for child in node.nodes.values():
        yield from _walk(child, notable)


def dash_of(tree: LiveTree, system: str) -> str:
    """Identity of the dashboard of a subsystem, by its name in the tree."""
    node = tree.root.nodes.get(system) if tree.ids else None
    return system_uid(tree.config, system, "" if node is None else tree.ids.get(node.path, ""))


def state_name(now: Standing, severity: Severity) -> str:
    """The state that a row names: what hides the alarm (SHELVED, DISABLED), else its severity."""
    return now.name if now in _HIDDEN else severity.name


def is_suppressed(alarm: LiveAlarm) -> bool:
    """Shelved or out of service."""
    return standing(alarm) in _HIDDEN


def subsystems(tree: LiveTree, ask: Ask) -> list[Subsystem]:
    """The subsystems of a question, in the order of the tree; what stands directly below the root comes last."""
    return [system for system in _all(tree) if _is_asked(system, ask)]


def _all(tree: LiveTree) -> list[Subsystem]:
    root = tree.root
    found = [
        Subsystem(tree.config, node.name, node.path, node.counts, node, {}, tree.ids.get(node.path, "")) for node in root.nodes.values()
    ]
    if root.alarms:
        found.append(Subsystem(tree.config, "", root.path, counted(root.alarms.values()), None, root.alarms))
    return found


def _is_asked(system: Subsystem, ask: Ask) -> bool:
    return not ask.systems or system.title in ask.systems or system.dash in ask.systems


def resolved(sources: Sources, ask: Ask) -> Ask:
    """The question with the path that a tile leads to: some tiles stand for the component itself that they are in."""
    if ask.path is None or ask.tile_of is None or any(ask.path in tree.nodes for tree in sources.asked(ask)):
        return ask
    if name(ask.path) in (DIRECT, TOP_LEVEL, name(ask.tile_of)):
        return replace(ask, path=ask.tile_of)
    return ask


def alarms_of(tree: LiveTree, ask: Ask, notable: bool = False) -> Iterator[LiveAlarm]:
    """The alarms that subsystem, path and text of a question leave; `notable` as in `Subsystem.alarms`."""
    needle = ask.text.casefold()
    for system in subsystems(tree, ask):
        for alarm in system.alarms(notable):
            if ask.paths and not any(is_below(alarm.path, path) for path in ask.paths):
                continue
            if not needle or needle in _haystack(alarm):
                yield alarm


def _haystack(alarm: LiveAlarm) -> str:
    message = alarm.snapshot.alarm.message if alarm.snapshot else ""
    return f"{alarm.path}\n{alarm.settings.description}\n{message}".casefold()


def knows(tree: LiveTree, ask: Ask) -> bool:
    """False if the question names subsystems or a path, and this tree has none of them."""
    if ask.systems and not subsystems(tree, ask):
        return False
    return not ask.paths or any(path in tree.nodes or path in tree.alarms for path in ask.paths)


def prefixes(tree: LiveTree, ask: Ask) -> Sequence[str | None]:
    """Path prefixes that cover what a question asks of history; `[None]`: everything."""
    if ask.paths:
        own = [path for path in ask.paths if is_below(path, tree.root.path) or path == "/"]
        return [path for path in own if not any(path != other and is_below(path, other) for other in own)]
    asked = subsystems(tree, ask)
    if not ask.systems or len(asked) == len(_all(tree)):
        return [None]
    found: list[str | None] = []
    for system in asked:
        found += [system.path] if system.node else [alarm.path for alarm in system.direct.values()]
    return found


def age_s(since: Nanos, sources: Sources) -> float:
    """Seconds since then by the backend's clock, never negative."""
    return max(0.0, round((sources.now - since) / NANOS_PER_SECOND, 1))


def span(seconds: float) -> str:
    """A duration as one says it: `12 s`, `7 min`, `3 h`, `4 d`."""
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{int(seconds)} s"


def stale_note(freshness: Freshness) -> str:
    """Why the answer cannot be trusted, as a sentence."""
    if freshness.age_s is None:
        return "No life sign from the alarm engine: what is shown may be old"
    if freshness.age_s < 5:
        return "The journal has not been read to its end yet: what is shown may be old"
    return f"No life sign from the alarm engine for {span(freshness.age_s)}: what is shown may be old"
