"""Commands to a Phoebus server: given as its clients give them, and confirmed by what its records show afterwards. It gives no answer."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import replace

from alarm_engine.journal.port import Journal
from alarm_engine.model.command import Command, CommandKind
from alarm_engine.model.event import EventKind
from alarm_engine.model.path import is_below
from alarm_engine.model.severity import Severity
from alarm_engine.model.state import EventId
from alarm_engine.wire.command import encode_command
from alarm_engine.wire.topics import Topics
from backend.live.follower import Follower
from backend.live.model import LiveAlarm
from backend.outcome import Answer, Outcome

_REMEMBERED = 10_000
_EFFECTS = {CommandKind.ACKNOWLEDGE: EventKind.ACKNOWLEDGED, CommandKind.UNACKNOWLEDGE: EventKind.UNACKNOWLEDGED}
_UNKNOWN = {
    CommandKind.SHELVE: "shelve: disable the alarm there until a date",
    CommandKind.UNSHELVE: "unshelve: enable the alarm there",
    CommandKind.DISABLE: "disable: clear 'enabled' in the settings of the alarm there",
    CommandKind.ENABLE: "enable: set 'enabled' in the settings of the alarm there",
}
"""What the server does not know as a command but as an edit of the tree, which is left to those who own it."""

_NO_LIFE_SIGN = "the Phoebus server gives no life sign; it may carry the command out if it is back within some seconds"


class PhoebusOrders:
    """Gives commands and watches what comes of them. Belongs to one event loop."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._answers: OrderedDict[str, tuple[Command, Answer]] = OrderedDict()

    def known(self, command: Command) -> tuple[Command, Answer] | None:
        """A command that was given under the same id, and its answer."""
        return self._answers.get(command.id)

    async def carry_out(self, tree: Follower, command: Command, timeout_s: float) -> Answer:
        """Give a command and wait for its effect. Raises `JournalError` if it could not be written."""
        answer = self._refused(tree, command) or await self._given(tree, command, timeout_s)
        if answer.outcome is Outcome.DONE:
            self._answers[command.id] = (command, answer)
            if len(self._answers) > _REMEMBERED:
                self._answers.popitem(last=False)
        return answer

    @staticmethod
    def _refused(tree: Follower, command: Command) -> Answer | None:
        if command.kind in _EFFECTS:
            return None
        what = _UNKNOWN.get(command.kind, f"{command.kind.value}: give it there")
        return Answer(Outcome.REFUSED, f"{tree.config} belongs to a Phoebus alarm server, which is told so in CS-Studio ({what})")

    async def _given(self, tree: Follower, command: Command, timeout_s: float) -> Answer:
        wanted = {alarm.path for alarm in _at_and_below(tree, command.path) if _is_due(alarm, command.kind)}
        left_alone = tuple(sorted(path for path in wanted if _is_unseen(tree.alarms[path], command)))
        before, waiting = tree.newest, wanted.difference(left_alone)
        if left_alone and not waiting:
            return Answer(Outcome.DONE, left_alone=left_alone)
        try:
            async with asyncio.timeout(timeout_s):
                # The server takes notice of all that is below a component: what was not seen can only be left alone one by one.
                for path in sorted(waiting) if left_alone else (command.path,):
                    await self._journal.append([encode_command(replace(command, path=path), Topics(tree.config).command)])
                if tree.freshness().stale:
                    return Answer(Outcome.NOT_CONFIRMED, _NO_LIFE_SIGN, left_alone=left_alone)
                while _left(tree, waiting, command.kind, before):
                    await tree.wait(tree.newest, timeout_s)
        except TimeoutError:
            done = len(waiting) - len(_left(tree, waiting, command.kind, before))
            reason = f"the Phoebus server has done it for {done} of {len(waiting)} alarms within {timeout_s:g} s; it may still do so"
            return Answer(Outcome.NOT_CONFIRMED, reason, done, left_alone)
        return Answer(Outcome.DONE, "", len(waiting), left_alone)


def _at_and_below(tree: Follower, path: str) -> Iterable[LiveAlarm]:
    return [alarm for alarm in tree.alarms.values() if is_below(alarm.path, path)]


def _is_due(alarm: LiveAlarm, kind: CommandKind) -> bool:
    """Something is to be done about it."""
    return alarm.severity.is_active if kind is CommandKind.ACKNOWLEDGE else alarm.severity.is_acknowledged


def _is_unseen(alarm: LiveAlarm, command: Command) -> bool:
    rise = alarm.snapshot.rise if alarm.snapshot is not None else None
    return command.kind is CommandKind.ACKNOWLEDGE and command.seen is not None and rise is not None and rise > command.seen


def _left(tree: Follower, waiting: Iterable[str], kind: CommandKind, before: EventId | None) -> set[str]:
    """Alarms of which nothing shows yet that the command was carried out."""
    answered = {event.path for event in tree.recent(before) or () if event.kind is _EFFECTS[kind]}
    gone = {path for path in waiting if (alarm := tree.alarms.get(path)) is None or alarm.severity is Severity.OK}
    return {path for path in waiting if path not in answered and path not in gone and _is_due(tree.alarms[path], kind)}
