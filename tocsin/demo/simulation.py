"""Moves the signals of the demo machine: what the IOC has to write, step by step."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

from tocsin.demo.faults import READ_FAILURE, Effect, Fault
from tocsin.demo.signals import Analog, Discrete, Severity, Signal

_DRIFT_S = 60.0
"""Time constant of slow drifts."""


class Put(NamedTuple):
    """A field to write, as text; writing a value processes its record."""

    field: str
    text: str


class Simulation:
    """The state of the machine. `step` is called about twice a second with seconds that never go back."""

    def __init__(self, signals: Sequence[Signal], faults: Iterable[Fault], random: Random) -> None:
        """Effects on signals that are not among `signals` belong to another IOC and are left out."""
        known = {signal.pv for signal in signals}
        self._faults = [_Running(fault, [_Doing(effect) for effect in fault.effects if effect.pv in known], random) for fault in faults]
        self._numbers = [_Number(signal, random) for signal in signals if isinstance(signal, Analog)]
        self._devices = [_Device(signal) for signal in signals if isinstance(signal, Discrete)]
        self._tick = 0
        self._began_s: float | None = None
        self._last_s = 0.0

    def step(self, now_s: float) -> list[Put]:
        """What to write now, in this order."""
        if self._began_s is None:
            self._began_s = self._last_s = now_s
        passed_s, self._last_s = now_s - self._last_s, now_s
        since_start_s = now_s - self._began_s
        effects = {effect.pv: effect for fault in self._faults for effect in fault.step(since_start_s)}
        self._tick += 1
        puts: list[Put] = []
        for number in self._numbers:
            number.move(effects.get(number.signal.pv), passed_s)
        # Numbers take turns, so that the IOC sends something all the time and not everything at once.
        for index, number in enumerate(self._numbers):
            if self._tick == 1 or number.signal.pv in effects or (index + self._tick) % 2 == 1:
                puts.extend(number.puts())
        for device in self._devices:
            puts.extend(device.step(effects.get(device.signal.pv)))
        return puts

    def severities(self) -> dict[str, Severity]:
        """What each record will say after the last step, hysteresis aside."""
        parts: list[_Number | _Device] = [*self._numbers, *self._devices]
        return {part.signal.pv: part.severity() for part in parts}


class _Running:
    """A fault, and whether it is there."""

    def __init__(self, fault: Fault, doing: list[_Doing], random: Random) -> None:
        self._fault = fault
        self._doing = doing
        self._random = random
        self._since_s: float | None = None
        self._until_s = fault.first_s

    def step(self, now_s: float) -> list[Effect]:
        """What it does now."""
        if now_s >= self._until_s:
            began = self._since_s is None
            self._since_s = now_s if began else None
            self._until_s = now_s + self._random.uniform(*(self._fault.lasts_s if began else self._fault.quiet_s))
        if self._since_s is None:
            return []
        since_s = self._since_s
        return [doing.effect for doing in self._doing if now_s >= since_s + doing.effect.after_s and doing.is_on(now_s, self._random)]


@dataclass(slots=True)
class _Doing:
    """An effect, and whether a chattering one is there."""

    effect: Effect
    on: bool = True
    flips_s: float = -math.inf

    def is_on(self, now_s: float, random: Random) -> bool:
        if self.effect.chatter_s is not None and now_s >= self.flips_s:
            self.on = not self.on
            self.flips_s = now_s + random.uniform(*self.effect.chatter_s)
        return self.on


def _writes(pv: str, text: str, fails: bool, failed: bool) -> list[Put]:
    """A soft record has no device that could fail. One that is told to read a number from a text cannot, and says so."""
    if fails and not failed:
        return [Put(f"{pv}.INP", f"{pv}.DESC NPP NMS"), Put(f"{pv}.PROC", "1")]
    if fails:
        return []
    return [Put(f"{pv}.INP", ""), Put(pv, text)] if failed else [Put(pv, text)]


class _Number:
    """A measured number."""

    def __init__(self, signal: Analog, random: Random) -> None:
        self.signal = signal
        self._random = random
        self._level = signal.normal
        self._drift = 0.0
        self._value = signal.normal
        self._ramp_s = 0.0
        self._fails = False
        self._failed = False
        self._began = False

    def move(self, effect: Effect | None, passed_s: float) -> None:
        """Go on by some seconds."""
        self._fails = effect is not None and effect.to is READ_FAILURE
        target = self.signal.normal
        if effect is not None:
            self._ramp_s = effect.ramp_s
            if isinstance(effect.to, int | float):
                target = effect.to
        # What is wrong from the start has been so for long.
        at_once = self._ramp_s == 0 or not self._began
        self._began = True
        self._level += (target - self._level) * (1 if at_once else 1 - math.exp(-passed_s / self._ramp_s))
        noise = self.signal.noise
        step = min(passed_s / _DRIFT_S, 1)
        self._drift += -self._drift * step + self._random.gauss(0, noise * math.sqrt(step))
        self._value = round(self._level + self._drift + self._random.gauss(0, noise / 2), self.signal.precision)

    def puts(self) -> list[Put]:
        """What to write."""
        failed, self._failed = self._failed, self._fails
        return _writes(self.signal.pv, f"{self._value:.12g}", self._fails, failed)

    def severity(self) -> Severity:
        """What the record says."""
        return Severity.INVALID if self._fails else self.signal.severity(self._value)


class _Device:
    """The state of a device."""

    def __init__(self, signal: Discrete) -> None:
        self.signal = signal
        self._label = signal.normal
        self._fails = False

    def step(self, effect: Effect | None) -> list[Put]:
        """What to write: something only on a change."""
        label, fails = self.signal.normal, False
        if effect is not None:
            fails = effect.to is READ_FAILURE
            label = self._label if fails else str(effect.to)
        if (label, fails) == (self._label, self._fails):
            return []
        failed, self._label, self._fails = self._fails, label, fails
        return _writes(self.signal.pv, label, fails, failed)

    def severity(self) -> Severity:
        """What the record says."""
        return Severity.INVALID if self._fails else self.signal.severity(self._label)
