"""The tree as it was at a moment, rolled up as the tree of now is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from alarm_engine.model.path import build, name, natural_key, parent, split, system
from alarm_engine.model.settings import AlarmSettings, NodeSettings
from alarm_engine.model.times import Nanos
from backend.history.port import History, Interval, PastAlarm, PastStates
from backend.live.model import LiveAlarm, LiveNode
from backend.live.standing import Standing, count, standing_by

_SEARCHED_AT_ONCE = 1_000
"""Alarms whose descriptions are held at a time."""


def standing_then(alarm: PastAlarm | Interval) -> Standing:
    """What an alarm counted as."""
    if alarm.severity is None:
        return Standing.UNKNOWN
    if alarm.suppressed:
        return Standing.DISABLED if alarm.out_of_service else Standing.SHELVED
    return standing_by(alarm.severity, connected=alarm.connected)


class PastTree:
    """Components with the counts and the severity that they had; alarms that were there and are not now are in it too."""

    def __init__(self, config: str, states: PastStates) -> None:
        self.root = LiveNode(build([config]), config, NodeSettings())
        self.nodes = {self.root.path: self.root}
        self.alarms = {alarm.path: alarm for alarm in states.alarms}
        self._directly: dict[str, list[PastAlarm]] = {}
        for alarm in states.alarms:
            above = parent(alarm.path) if "\\" in alarm.path else alarm.path.rpartition("/")[0] or "/"
            self._directly.setdefault(above, []).append(alarm)
        for path, alarms in self._directly.items():
            counts = self._node(path).counts
            for alarm in alarms:
                count(counts, (standing_then(alarm), alarm.severity, not alarm.connected))
        self._roll_up()

    def directly_below(self, path: str) -> Sequence[PastAlarm]:
        """Alarms directly below a component, in natural order of their names."""
        return sorted(self._directly.get(path, ()), key=lambda alarm: (natural_key(name(alarm.path)), alarm.path))

    def within(self, node: LiveNode, depth: int) -> Iterator[LiveNode]:
        """A component and those below it, down to a depth."""
        yield node
        for below in node.nodes.values() if depth > 0 else ():
            yield from self.within(below, depth - 1)

    def _node(self, path: str) -> LiveNode:
        node = self.nodes.get(path)
        if node is None:
            node = self.nodes[path] = LiveNode(path, name(path), NodeSettings())
            if path != "/":
                self._node(parent(path)).nodes[node.name] = node
        return node

    def _roll_up(self) -> None:
        for node in sorted(self.nodes.values(), key=lambda node: -len(split(node.path))):
            node.severity = node.counts.highest()
            node.nodes = dict(sorted(node.nodes.items(), key=lambda item: (natural_key(item[0]), item[0])))
            if node is not self.root and (above := self.nodes.get(parent(node.path))):
                above.counts.add(node.counts)


async def found_in(history: History, config: str, alarms: Sequence[PastAlarm], time: Nanos, text: str) -> list[PastAlarm]:
    """Those that have a text, in any case, in path, description or messages; in the order given."""
    folded = text.casefold()
    found: list[PastAlarm] = []
    for at in range(0, len(alarms), _SEARCHED_AT_ONCE):
        some = alarms[at : at + _SEARCHED_AT_ONCE]
        known = {alarm.path: alarm for alarm in await with_states(history, config, some, time)}
        found += [one for one in some if (alarm := known.get(one.path)) is not None and _has(alarm, folded)]
    return found


def _has(alarm: LiveAlarm, folded: str) -> bool:
    messages = (alarm.snapshot.alarm.message, alarm.snapshot.current.message) if alarm.snapshot else ()
    return any(folded in part.casefold() for part in (alarm.path, alarm.settings.description, *messages))


async def with_states(history: History, config: str, alarms: Iterable[PastAlarm], time: Nanos) -> list[LiveAlarm]:
    """Alarms with all that was known of them at that time, in the order given."""
    wanted = list(alarms)
    found = await history.last_before(config, [alarm.path for alarm in wanted], Nanos(time + 1))
    return [
        LiveAlarm(alarm.path, name(alarm.path), system(alarm.path), AlarmSettings(event.description), event.snapshot, event.id)
        for alarm in wanted
        if (event := found.get(alarm.path)) is not None
    ]
