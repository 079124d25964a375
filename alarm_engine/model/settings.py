"""What an alarm or a component is told to do: the fields of a Phoebus configuration record."""

from __future__ import annotations

from dataclasses import dataclass

from alarm_engine.model.times import Nanos


@dataclass(frozen=True, slots=True)
class TitledText:
    """An entry of guidance, displays or commands."""

    title: str
    details: str


@dataclass(frozen=True, slots=True)
class Action:
    """Something an alarm sets off: `mailto:`, `cmd:`, `sevrpv:`, `infopv:`."""

    title: str
    details: str
    delay_s: int = 0
    """Seconds that the alarm must stay active before the action runs."""


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """Settings of a component."""

    guidance: tuple[TitledText, ...] = ()
    displays: tuple[TitledText, ...] = ()
    commands: tuple[TitledText, ...] = ()
    actions: tuple[Action, ...] = ()


@dataclass(frozen=True, slots=True)
class AlarmSettings:
    """Settings of one alarm, with the defaults of a Phoebus record."""

    description: str = ""
    """What annunciators say; a leading `*` leaves the severity out, a following `!` makes it stand out."""
    enabled: bool = True
    """False: out of service, or shelved if `enabled_at` is given."""
    enabled_at: Nanos | None = None
    """While not enabled: when the alarm comes back by itself (shelving)."""
    latching: bool = True
    """Keep the highest severity until it is acknowledged."""
    annunciating: bool = True
    """Speak when the alarm rises."""
    delay_s: int = 0
    """Seconds that a PV must stay in alarm before the alarm is raised."""
    count: int = 0
    """With a delay: that many alarms within `delay_s` raise at once. 0: off."""
    filter: str = ""
    """Formula; the alarm is disabled while it is not above 0. Empty: none."""
    guidance: tuple[TitledText, ...] = ()
    displays: tuple[TitledText, ...] = ()
    commands: tuple[TitledText, ...] = ()
    actions: tuple[Action, ...] = ()

    @property
    def delay_ns(self) -> int:
        """The delay in nanoseconds."""
        return self.delay_s * 1_000_000_000


Settings = AlarmSettings | NodeSettings
