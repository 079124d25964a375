"""What goes wrong at the demo machine, and how often."""

from __future__ import annotations

from dataclasses import dataclass

Span = tuple[float, float]
"""Least and greatest number of seconds."""

READ_FAILURE = None
"""Instead of a value: the device does not answer."""


@dataclass(frozen=True, slots=True)
class Effect:
    """What a fault does to one signal."""

    pv: str
    to: float | str | None
    """Value that a number goes to, label of a state, or `READ_FAILURE`."""
    ramp_s: float = 0
    """Time constant of the way there and back; numbers only."""
    after_s: float = 0
    """Seconds from the beginning of the fault to that of this effect."""
    chatter_s: Span | None = None
    """Comes and goes, each for this long."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that goes wrong again and again."""

    name: str
    first_s: float
    """Seconds from the start to the first time; 0: it is there from the start."""
    lasts_s: Span
    quiet_s: Span
    """From its end until it comes again."""
    effects: tuple[Effect, ...]


_CHATTER_S: Span = (4, 10)

_VACUUM = (
    Fault(
        "pressure burst",
        18,
        (20, 40),
        (260, 420),
        (
            Effect("SR02:VAC:GC1:P", 2.6e-7, ramp_s=5),
            Effect("SR02:VAC:GC2:P", 3.1e-8, ramp_s=6, after_s=2),
            Effect("SR02:VAC:IP1:P", 4.4e-8, ramp_s=6, after_s=3),
            Effect("SR:DI:DCCT:Life", 6.1, ramp_s=4, after_s=2),
        ),
    ),
    Fault("chamber outgassing", 0, (400, 900), (60, 150), (Effect("SR05:VAC:GC2:P", 2.4e-8, ramp_s=15),)),
    Fault("valve closes", 330, (40, 70), (900, 1500), (Effect("SR06:VAC:GV1:Sts", "Closed"), Effect("SR06:VAC:GC1:P", 1.6e-8, 12, 5))),
    Fault("pump regenerates", 90, (30, 60), (240, 480), (Effect("SR04:VAC:IP2:P", 1.5e-8, ramp_s=8),)),
    Fault("heated chamber", 150, (60, 120), (400, 700), (Effect("SR03:VAC:TC1:Tmp", 48, ramp_s=20),)),
)

_RF = (
    Fault(
        "RF trip and beam loss",
        75,
        (22, 35),
        (420, 720),
        (
            Effect("SR02:RF:CAV1:PwrRfl", 14),
            Effect("SR02:RF:ILK1:Sts", "Tripped", after_s=0.5),
            Effect("SR02:RF:MOD1:Sts", "Tripped", after_s=1),
            Effect("SR02:RF:CAV1:PwrFwd", 0, after_s=1),
            Effect("SR:DI:DCCT:I", 0.1, ramp_s=6, after_s=1.5),
            Effect("SR05:DI:BLM1:Rate", 14000, ramp_s=1, after_s=1.5),
        ),
    ),
    Fault("tuner hunts", 50, (30, 60), (60, 140), (Effect("SR05:RF:CAV1:Detune", 7.4, chatter_s=_CHATTER_S),)),
    Fault("warm circulator", 0, (200, 400), (80, 200), (Effect("SR05:RF:CIRC1:Tmp", 46.8, ramp_s=25),)),
    Fault("phase loop", 200, (15, 30), (300, 500), (Effect("SR02:RF:LLRF:PhsErr", 0.71, ramp_s=1),)),
)

_MAGNETS = (
    Fault("supply in local", 0, (300, 700), (90, 240), (Effect("SR03:MAG:PS1:Sts", "Local"),)),
    Fault("warm coil", 60, (70, 140), (280, 500), (Effect("SR04:MAG:QD1:Tmp", 52.5, ramp_s=12),)),
    Fault(
        "quadrupole supply fault",
        240,
        (25, 50),
        (600, 1000),
        (Effect("SR01:MAG:PS1:Sts", "Fault"), Effect("SR01:MAG:QF1:I", 0, ramp_s=2), Effect("SR01:DI:BPM1:X", 180, ramp_s=3, after_s=1)),
    ),
    Fault("ripple", 120, (20, 40), (240, 420), (Effect("SR:MAG:BD:Ripple", 29, ramp_s=3),)),
)

_COOLING = (
    Fault(
        "pump trip",
        0,
        (60, 110),
        (350, 600),
        (
            Effect("COOL:PMP3:Sts", "Tripped"),
            Effect("COOL:PMP3:Flow", 0, ramp_s=2),
            Effect("COOL:PMP3:P", 1.1, ramp_s=2),
            Effect("SR05:MAG:BD1:Tmp", 56.5, ramp_s=20, after_s=20),
        ),
    ),
    Fault("loose coupling", 6, (30, 60), (50, 110), (Effect("COOL:PMP2:Vib", 8.2, chatter_s=_CHATTER_S),)),
    Fault("dirty filter", 0, (700, 1200), (60, 120), (Effect("COOL:FIL1:dP", 0.91, ramp_s=30),)),
    Fault("fan stops", 130, (80, 150), (300, 600), (Effect("COOL:TWR2:Fan", "Stopped"), Effect("COOL:TWR2:Tmp", 28.2, 25, 10))),
    Fault("temperature swing", 35, (25, 45), (200, 400), (Effect("COOL:SUP:Tmp", 25.85, ramp_s=6),)),
)

_CRYO = (
    Fault("hot oil", 0, (300, 600), (80, 160), (Effect("CRY:CMP2:TmpOil", 78.5, ramp_s=20),)),
    Fault("turbine slows", 100, (30, 60), (280, 480), (Effect("CRY:CB:TURB2:Spd", 1480, ramp_s=4), Effect("CRY:CB:T4", 6.3, 15, 6))),
    Fault("bypassed detector", 270, (240, 480), (400, 700), (Effect("CRY:MOD2:QD:Sts", "Bypassed"),)),
    Fault("nitrogen low", 170, (250, 500), (300, 500), (Effect("CRY:LN2:Lvl", 22, ramp_s=20),)),
    Fault("dewar pressure", 300, (20, 45), (300, 500), (Effect("CRY:DEW1:P", 1345, ramp_s=5),)),
)

_DIAGNOSTICS = (
    Fault("silent electronics", 0, (120, 260), (90, 200), (Effect("SR03:DI:BPM1:Y", READ_FAILURE),)),
    Fault("orbit jumps", 28, (30, 60), (70, 150), (Effect("SR06:DI:BPM1:X", 128, chatter_s=_CHATTER_S),)),
    Fault("feedback pauses", 110, (20, 50), (300, 500), (Effect("SR:DI:FBK:Sts", "Paused"), Effect("SR02:DI:BPM1:Y", -115, 6, 3))),
    Fault("losses", 55, (15, 35), (180, 330), (Effect("SR03:DI:BLM1:Rate", 2900, ramp_s=2),)),
)

_TIMING = (
    Fault("bad fibre", 14, (25, 50), (80, 160), (Effect("TIM:EVR2:Link", "Down", chatter_s=_CHATTER_S),)),
    Fault(
        "few satellites", 140, (60, 120), (350, 600), (Effect("TIM:GPS1:Sats", 3, ramp_s=3), Effect("TIM:GPS1:Lock", "Holdover", after_s=8))
    ),
    Fault("clock drifts", 220, (30, 60), (400, 700), (Effect("TIM:NTP1:Offs", 1.7, ramp_s=6),)),
)

_PERSONNEL_SAFETY = (
    Fault("dose rate", 190, (25, 40), (900, 1500), (Effect("PSS:RAD2:Rate", 0.72, ramp_s=3),)),
    Fault("mains dip", 480, (20, 40), (1500, 2400), (Effect("PSS:UPS1:Sts", "Battery"),)),
    Fault("door contact", 780, (8, 15), (2400, 3600), (Effect("PSS:DOOR3:Sts", "Open"),)),
)

FAULTS: tuple[Fault, ...] = (*_VACUUM, *_RF, *_MAGNETS, *_COOLING, *_CRYO, *_DIAGNOSTICS, *_TIMING, *_PERSONNEL_SAFETY)
"""Everything that goes wrong. Taken together there are 5 to 15 alarms at most times, and one changes every few seconds."""
