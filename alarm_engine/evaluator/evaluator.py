"""The evaluator: the one place where inputs become changes of an alarm tree.

It owns its tree and is not thread safe. Nothing here reads a clock: every entry takes `now`. Effects are collected until `take` hands
them out; whoever calls it publishes them in one transaction.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from alarm_engine.evaluator.changes import Changes, NodeChange
from alarm_engine.evaluator.emit import DISCONNECTED, Cause, Emitter, Happening, by_itself
from alarm_engine.evaluator.servers import ServerWatch
from alarm_engine.evaluator.timing import CLOCK_CHECK_NS, LATE_NS, Timer
from alarm_engine.evaluator.tree import AlarmTree, Leaf, Node, is_covered
from alarm_engine.logic.alarm_logic import MAINTENANCE, TRACKED, Outcome
from alarm_engine.logic.talk import LATE_S, nag, started
from alarm_engine.logic.timers import TimerWheel
from alarm_engine.model.event import EventKind
from alarm_engine.model.reading import Connection, Input, Reading
from alarm_engine.model.severity import Severity
from alarm_engine.model.state import Alarm, Sample
from alarm_engine.model.times import NANOS_PER_SECOND, Moment, Monotonic, Nanos
from alarm_engine.wire.runtime import RootRuntime, Switches
from alarm_engine.wire.state import Modes

NO_PV = "No PV"
NEVER_PROCESSED = "UDF_ALARM"


@dataclass(frozen=True, slots=True)
class EvaluatorSettings:
    """What an evaluator is told about its configuration."""

    config: str
    connection_timeout_s: float = 30
    """After that a PV that never connected is an alarm."""
    idle_s: float = 10
    """The root is published again when nothing was for that long (Phoebus clients take it as the life sign)."""
    nag_period_s: float = 900
    """A reminder is spoken when nothing was for that long and alarms are active; 0: never."""
    command_max_age_s: float = 15
    """An older command is refused."""


_MISSED_NS = LATE_S * NANOS_PER_SECOND


class Evaluator:
    """One alarm tree being evaluated. Configuration and commands have modules of their own beside this one."""

    def __init__(self, settings: EvaluatorSettings, epoch: int, last_time: Nanos) -> None:
        """`epoch` numbers this take-over, `last_time` is that of the newest event before it."""
        self.settings = settings
        self.tree = AlarmTree(settings.config)
        self.switches = Switches()
        self._noted = RootRuntime()
        """What the journal has of the whole configuration."""
        self.timers: TimerWheel[tuple[Timer, Leaf | None]] = TimerWheel()
        self.emitter = Emitter(settings.config, epoch, last_time)
        self.servers = ServerWatch(self.emitter, self.tree.root.path)
        self._reminder_due = False
        """The time of a reminder has come, but there was nothing to remind of yet."""
        self._again: set[Node] = set()
        """Components that are published even if they are as before."""
        self._is_cut = False
        """More timers are due than were taken."""

    def go_on_from(self, root: RootRuntime) -> None:
        """What the journal has of the whole configuration, of an engine that ran before."""
        self.switches, self._noted = root.switches, root

    def begin(self, now: Moment, last_sign: Nanos | None = None) -> None:
        """Take over after everything is restored: say so, publish components that differ from their records, start the clocks.

        `last_sign`: when the engine before last wrote a state.
        """
        self.emitter.took_over(self.tree.root.path, by_itself("took over the configuration"), now, last_sign)
        self.emitter.talk(started(self.tree.root.path))
        if self._noted.unsaid.number:
            self.emitter.left_unsaid(self._noted.unsaid, now)
        self.tree.mark_all()
        for leaf in self.tree.leaves.values():
            if leaf.version is None and not leaf.logic.enabled:
                self.happened(leaf, Happening(EventKind.CHANGED, leaf.logic.alarm, by_itself("disabled")), now)
        self.rest(Timer.NAG, self.settings.nag_period_s, now)

    # ------------------------------------------------------------------ inputs

    def feed(self, inputs: Iterable[Input], now: Moment) -> None:
        """What the sources delivered, in order. PVs that are not in this tree are left aside."""
        watchers = self.tree.watchers
        then = now
        for item in inputs:
            self.emitter.late = now.monotonic - item.arrival > _MISSED_NS
            due = self.timers.next()
            is_late = now.monotonic - item.arrival >= LATE_NS or (due is not None and due <= item.arrival)
            then = self._catch_up(item.arrival, now) if is_late else now
            if isinstance(item, Connection) and item.pv in watchers:
                self.servers.moved(item)
                if (Timer.SERVERS, None) not in self.timers:
                    self._await_servers()
            for leaf in watchers.get(item.pv, ()):
                if isinstance(item, Reading):
                    if not leaf.connected:
                        self.servers.heard(item.pv, then)
                        self._connected(leaf)
                    self._sample(leaf, Sample(item.severity, item.message, item.value, item.pv_time), then)
                elif not isinstance(item, Connection):
                    self._lost(leaf, NO_PV, then)
                elif not item.up:
                    self._lost(leaf, DISCONNECTED, then)
                # A channel that is up says nothing yet: a hung IOC accepts connections and sends no value.
        self.emitter.late = False
        self.servers.worked_to = None if then is now else then.monotonic

    def presume(self, pvs: Iterable[str]) -> None:
        """At a take-over: PVs that have said something. What happens before they are fed happens to alarms that are connected."""
        for pv in pvs:
            for leaf in self.tree.watchers.get(pv, ()):
                self._connected(leaf)

    def _await_servers(self) -> None:
        end = self.servers.next()
        if end is not None:
            self.timers.set((Timer.SERVERS, None), end)

    def _catch_up(self, arrival: Monotonic, now: Moment) -> Moment:
        """The moment at which a late input came. What was due before is done first: a delay must not outlive a jam of the journal."""
        then = Moment(Nanos(now.wall - (now.monotonic - arrival)), arrival)
        self.servers.worked_to = arrival
        due = self.timers.next()
        if due is not None and due <= arrival:
            self.tick(then)
        return then

    def tick(self, now: Moment, limit: int | None = None) -> None:
        """Timers that are due, at most `limit` of them: the others are due still."""
        due = self.timers.due(now.monotonic, limit)
        self._is_cut = len(due) == limit
        for timer, leaf in due:
            if leaf is None:
                self._clock(timer, now)
            elif timer is Timer.DELAY:
                before = leaf.logic.alarm
                self._settle(leaf, before, leaf.logic.expire(now, self.switches.maintenance), now)
                self.keep(leaf, now)
            elif timer is Timer.CONNECT:
                self._lost(leaf, DISCONNECTED, now)
            elif leaf.suppression and leaf.suppression.until is not None:
                if now.wall >= leaf.suppression.until:
                    self.release(leaf, by_itself("shelving ended"), now)
                else:
                    self.watch_shelf(leaf, now)

    def deadline(self) -> Monotonic | None:
        """When `tick` has to be called next."""
        return self.timers.next()

    # ------------------------------------------------------------------ effects

    def take(self, now: Moment) -> Changes:
        """All effects since the last call, with the components that changed, from the bottom up."""
        self.servers.close(now)
        self._await_servers()
        self.servers.worked_to = None
        changes = self.emitter.changes
        nodes = self.tree.roll_up()
        again = self._again.difference(nodes)
        nodes += sorted(again, key=lambda node: (-node.depth, node.path))
        self._again.clear()
        changes.nodes += [NodeChange(node.path, node.published or Severity.OK) for node in nodes]
        speaks = self.emitter.gather(now, more=self.servers.is_gathering or self._is_cut)
        self._is_cut = False
        if self._reminder_due and not speaks and not self.emitter.is_holding:
            self._remind()
        if speaks or changes.talks:
            self._reminder_due = False
            self.rest(Timer.NAG, self.settings.nag_period_s, now)
        if changes.has_states or (Timer.IDLE, None) not in self.timers:
            self.rest(Timer.IDLE, self.settings.idle_s, now)
        changes = self.emitter.take(self.tree.root.path)
        changes.modes = Modes(self.switches.maintenance, self.switches.notify)
        root = RootRuntime(self.switches, self.emitter.unsaid)
        if root != self._noted:
            changes.root = self._noted = root
        return changes

    def publish_root(self) -> None:
        """The root's state again, with the next changes even if it is as before: life sign, and carrier of the switches."""
        self._again.add(self.tree.root)

    def publish_again(self, path: str) -> None:
        """A state that somebody may have seen otherwise, with the next changes even if it is as before; nothing stands there: that."""
        leaf, node = self.tree.leaves.get(path), self.tree.nodes.get(path)
        if leaf is not None:
            self.emitter.again(leaf)
        elif node is not None:
            self._again.add(node)
        else:
            self.emitter.nothing(path)

    def _clock(self, timer: Timer, now: Moment) -> None:
        if timer is Timer.IDLE:
            self.publish_root()
        elif timer is Timer.NAG:
            self._reminder_due = True
        elif timer is Timer.SERVERS:
            self.servers.close(now)
            self._await_servers()

    def _remind(self) -> None:
        """Speak of active alarms. Without any the reminder stays due: the next alarm is spoken of at once, be it a silent one."""
        root = self.tree.root
        if root.tally.highest().is_active:
            active = sum(leaf.logic.alarm.severity.is_active for leaf in self.tree.leaves.values())
            self.emitter.talk(nag(root.path, root.tally.highest(), active))

    def rest(self, timer: Timer, seconds: float, now: Moment) -> None:
        """Set a clock of the whole configuration back; 0 seconds: it never rings."""
        if seconds > 0:
            self.timers.set((timer, None), Monotonic(now.monotonic + round(seconds * NANOS_PER_SECOND)))

    # ------------------------------------------------------------------ one alarm

    def watch(self, leaf: Leaf, now: Moment) -> None:
        """A new alarm: its PV is subscribed, and expected within the connection time-out."""
        changes = self.emitter.changes
        # Not taken back from `unsubscribe`: an alarm that moved needs a new subscription, for one that stands says nothing again.
        changes.subscribe.add(leaf.pv)
        timeout = round(self.settings.connection_timeout_s * NANOS_PER_SECOND)
        self.timers.set((Timer.CONNECT, leaf), Monotonic(now.monotonic + timeout))

    def adopt(self, leaf: Leaf, now: Moment) -> None:
        """Tell a new alarm what another one on the same PV knows: a subscription that stands delivers nothing again."""
        for other in self.tree.watchers[leaf.pv]:
            if other is not leaf and other.connected:
                self._connected(leaf)
                self._deliver(leaf, other.current, now)
                return

    def forget(self, leaf: Leaf, unwatched: bool) -> None:
        """An alarm left: its timers, and the subscription if nobody else watches the PV."""
        for timer in (Timer.DELAY, Timer.CONNECT, Timer.SHELF):
            self.timers.cancel((timer, leaf))
        if unwatched:
            self.servers.forget(leaf.pv)
            self.emitter.changes.unsubscribe.add(leaf.pv)
            self.emitter.changes.subscribe.discard(leaf.pv)

    def _connected(self, leaf: Leaf) -> None:
        leaf.connected = True
        self.timers.cancel((Timer.CONNECT, leaf))

    def _lost(self, leaf: Leaf, message: str, now: Moment) -> None:
        """The PV went, or never came: UNDEFINED; an acknowledgement waits for its return."""
        leaf.connected = False
        before = leaf.logic.alarm
        if leaf.kept is None and before.severity.is_acknowledged:
            leaf.kept = before
        self._deliver(leaf, Sample(Severity.UNDEFINED, message, "", now.wall), now)

    def _sample(self, leaf: Leaf, sample: Sample, now: Moment) -> None:
        if leaf.kept is None or not leaf.logic.enabled or not self._returned(leaf, sample, now):
            self._deliver(leaf, sample, now)

    def _deliver(self, leaf: Leaf, sample: Sample, now: Moment) -> None:
        logic = leaf.logic
        before, former = logic.alarm, logic.saved
        outcome = logic.sample(sample, now, self.switches.maintenance)
        if outcome.publish:
            self._settle(leaf, before, outcome, now)
        elif outcome is TRACKED and (former is None or former.severity != sample.severity):
            happening = Happening(EventKind.CHANGED, before, by_itself(TRACKED.reason), publish=False)
            self.emitter.leaf(leaf, happening, now)

    def _returned(self, leaf: Leaf, sample: Sample, now: Moment) -> bool:
        """The PV of an acknowledged alarm is back; True if the acknowledgement covers what it says."""
        kept, before = leaf.kept, leaf.logic.alarm
        if kept is None or sample.message == NEVER_PROCESSED:
            return False  # a rebooting IOC: the record has not been processed yet
        leaf.kept = None
        if before == kept and leaf.logic.pending is None:
            return False
        if not is_covered(kept.severity, sample.severity):
            self.keep(leaf, now)
            return False
        leaf.logic.restore(kept, sample)
        self._settle(leaf, before, Outcome("acknowledgement kept over a disconnect", publish=True), now)
        return True

    def _settle(self, leaf: Leaf, before: Alarm, outcome: Outcome, now: Moment) -> None:
        if not outcome.publish:
            return
        kind = EventKind.CHANGED
        if outcome.raised:
            kind = EventKind.ALARM
        elif before.severity is not Severity.OK and leaf.logic.alarm.severity is Severity.OK:
            kind = EventKind.CLEARED
        self.happened(leaf, Happening(kind, before, by_itself(outcome.reason), outcome.raised, outcome.annunciate), now)

    def happened(self, leaf: Leaf, happening: Happening, now: Moment) -> None:
        """Bring everything that depends on an alarm up to date, and emit what happened to it."""
        before, after = happening.before.severity, leaf.logic.alarm.severity
        if before != after:
            if before.unacknowledged != after.unacknowledged:
                leaf.since = self.emitter.time(now)
            if not after.is_acknowledged and leaf.kept is None:
                leaf.acknowledgement = None
            if after.is_acknowledged and leaf.acknowledgement is None and self.switches.maintenance:
                leaf.acknowledgement = Cause(comment=MAINTENANCE.reason).acknowledgement(now)
        self.tree.count(leaf)
        self.emitter.leaf(leaf, happening, now)
        if leaf.logic.delay_ns or leaf.logic.deadline is not None:
            self.schedule(leaf)
        self.keep(leaf, now)

    def keep(self, leaf: Leaf, now: Moment) -> None:
        """Write what a restart needs, or remove it."""
        runtime = leaf.runtime(now)
        if runtime is not None or leaf.has_runtime:
            self.emitter.changes.runtimes[leaf.path] = runtime
            leaf.has_runtime = runtime is not None

    def schedule(self, leaf: Leaf) -> None:
        """Set the timer of an alarm's delay as its logic has it."""
        if leaf.logic.deadline is None:
            self.timers.cancel((Timer.DELAY, leaf))
        else:
            self.timers.set((Timer.DELAY, leaf), leaf.logic.deadline)

    # ------------------------------------------------------------------ suppression

    def suppress(self, leaf: Leaf, kind: EventKind, cause: Cause, now: Moment) -> None:
        """Shelve or take out of service, as `enabled` in the settings of the alarm says; another end of that is no new state."""
        before = leaf.logic.alarm
        leaf.suppression = cause.suppression(now, leaf.settings.enabled_at)
        leaf.hide(now)
        self.watch_shelf(leaf, now)
        self.happened(leaf, Happening(kind, before, cause, publish=leaf.logic.alarm is not before), now)

    def reveal(self, leaf: Leaf, kind: EventKind, cause: Cause, now: Moment) -> None:
        """Bring an alarm back: a standing one is raised and spoken again, unless it was acknowledged before it was hidden."""
        before = leaf.logic.alarm
        leaf.suppression = None
        leaf.reappear(now, self.switches.maintenance)
        raised = leaf.logic.alarm.severity.is_active
        self.watch_shelf(leaf, now)
        self.happened(leaf, Happening(kind, before, cause, raised, raised and leaf.settings.annunciating), now)

    def release(self, leaf: Leaf, cause: Cause, now: Moment) -> None:
        """End a suppression and write that into the configuration."""
        kind = EventKind.UNSHELVED if leaf.settings.enabled_at is not None else EventKind.ENABLED
        leaf.enable()
        self.reveal(leaf, kind, cause, now)
        self.emitter.config(leaf, cause)

    def watch_shelf(self, leaf: Leaf, now: Moment) -> None:
        """Shelving ends at a time of day: look again at least once a minute, should the clock be set."""
        if leaf.suppression is None or leaf.suppression.until is None:
            self.timers.cancel((Timer.SHELF, leaf))
        else:
            left = min(max(0, leaf.suppression.until - now.wall), CLOCK_CHECK_NS)
            self.timers.set((Timer.SHELF, leaf), Monotonic(now.monotonic + left))
