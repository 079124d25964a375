"""The demo machine: an electron storage ring of six sectors, with what it takes to run it.

Nobody's accelerator, but named, limited and equipped as a real one would be. `SR04`'s vacuum controller is an IOC of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

from tocsin.demo.signals import Analog, Discrete, Limits, Severity, Signal, State

SECTORS = ("SR01", "SR02", "SR03", "SR04", "SR05", "SR06")
RF_SECTORS = ("SR02", "SR05")
REMOTE_SECTOR = "SR04"


class Group(StrEnum):
    """The IOCs: which process serves a signal."""

    MAIN = "main"
    REMOTE = "remote"


def _states(*labels: str | tuple[str, Severity]) -> tuple[State, ...]:
    return tuple(State(label) if isinstance(label, str) else State(*label) for label in labels)


_MINOR, _MAJOR, _INVALID = Severity.MINOR, Severity.MAJOR, Severity.INVALID
_RUNNING = _states("Running", ("Stopped", _MINOR), ("Tripped", _MAJOR))
_POWER_SUPPLY = _states("On", ("Standby", _MINOR), ("Ramping", Severity.OK), ("Fault", _MAJOR), ("Local", _MINOR))
_INTERLOCK = _states("Permit", ("Tripped", _MAJOR))
_LOCK = _states("Locked", ("Unlocked", _MAJOR))
_SHUT = _states("Closed", ("Open", _MAJOR))


def vacuum_sector(sector: str) -> Iterator[Signal]:
    """Gauges, pumps and valve of a sector of the ring; pressures in mbar."""
    at = f"{sector}:VAC"
    for n, normal in ((1, 2.1e-9), (2, 1.6e-9)):
        yield Analog(f"{at}:GC{n}:P", f"{sector} cold cathode gauge {n}", "mbar", normal, 4e-11, Limits(high=1e-8, hihi=1e-7), 11)
    yield Analog(f"{at}:PG1:P", f"{sector} Pirani gauge", "mbar", 8e-4, 1e-5, Limits(high=2e-3, hihi=1e-2), 5)
    for n, normal in ((1, 1.2e-9), (2, 1.4e-9)):
        yield Analog(f"{at}:IP{n}:P", f"{sector} ion pump {n} pressure", "mbar", normal, 3e-11, Limits(high=8e-9, hihi=8e-8), 11)
    yield Discrete(
        f"{at}:GV1:Sts", f"{sector} gate valve", _states("Open", ("Moving", _MINOR), ("Closed", _MAJOR), ("Undefined", _INVALID))
    )
    yield Analog(f"{at}:TC1:Tmp", f"{sector} chamber temperature", "degC", 31, 0.15, Limits(high=45, hihi=60))


def rf_station(sector: str) -> Iterator[Signal]:
    """Klystron, circulator, cavity and low level RF of a station."""
    at = f"{sector}:RF"
    yield Analog(f"{at}:CAV1:Tmp", f"{sector} cavity body temperature", "degC", 47, 0.15, Limits(40, 43, 52, 56))
    yield Analog(f"{at}:CAV1:PwrFwd", f"{sector} cavity forward power", "kW", 86, 0.5, Limits(50, 70, 100, 110))
    yield Analog(f"{at}:CAV1:PwrRfl", f"{sector} cavity reflected power", "kW", 1.4, 0.06, Limits(high=5, hihi=10), 2)
    yield Analog(f"{at}:CAV1:Detune", f"{sector} cavity tuning angle", "deg", 0.4, 0.2, Limits(-12, -6, 6, 12))
    yield Analog(f"{at}:CAV1:P", f"{sector} cavity vacuum", "mbar", 3e-9, 6e-11, Limits(high=2e-8, hihi=1e-7), 11)
    yield Analog(f"{at}:KLY1:V", f"{sector} klystron voltage", "kV", 52, 0.1, Limits(45, 48, 55, 57))
    yield Analog(f"{at}:KLY1:I", f"{sector} klystron beam current", "A", 7.8, 0.03, Limits(high=8.6, hihi=9), 2)
    yield Analog(f"{at}:KLY1:TmpCol", f"{sector} klystron collector temp", "degC", 66, 0.4, Limits(high=80, hihi=90))
    yield Analog(f"{at}:CIRC1:Tmp", f"{sector} circulator temperature", "degC", 38, 0.2, Limits(high=45, hihi=50))
    yield Analog(f"{at}:LOAD1:Flow", f"{sector} load water flow", "l/min", 62, 0.4, Limits(40, 50), 1)
    yield Analog(f"{at}:LLRF:AmpErr", f"{sector} amplitude error", "%", 0.12, 0.02, Limits(high=0.5, hihi=1), 3)
    yield Analog(f"{at}:LLRF:PhsErr", f"{sector} phase error", "deg", 0.08, 0.02, Limits(high=0.5, hihi=1), 3)
    yield Discrete(f"{at}:MOD1:Sts", f"{sector} modulator", _states("On", ("Standby", _MINOR), ("Off", _MINOR), ("Tripped", _MAJOR)))
    yield Discrete(f"{at}:ILK1:Sts", f"{sector} RF interlock", _INTERLOCK)


def magnets() -> Iterator[Signal]:
    """Dipole circuit, and quadrupoles of each sector."""
    yield Analog("SR:MAG:BD:I", "Dipole circuit current", "A", 1482.5, 0.02, Limits(1475, 1481, 1484, 1490), 3)
    yield Analog("SR:MAG:BD:Ripple", "Dipole circuit ripple", "mA", 12, 0.5, Limits(high=25, hihi=50))
    yield Discrete("SR:MAG:BD:Sts", "Dipole power supply", _POWER_SUPPLY)
    yield Discrete("SR:MAG:ILK:Sts", "Magnet interlock, sum", _INTERLOCK)
    for n, sector in enumerate(SECTORS):
        at = f"{sector}:MAG"
        yield Analog(f"{at}:BD1:Tmp", f"{sector} dipole coil temperature", "degC", 41 + 0.7 * n, 0.1, Limits(high=55, hihi=65))
        yield Analog(f"{at}:QF1:Tmp", f"{sector} quad QF1 coil temperature", "degC", 38 + 0.5 * n, 0.1, Limits(high=50, hihi=60))
        yield Analog(f"{at}:QD1:Tmp", f"{sector} quad QD1 coil temperature", "degC", 37 + 0.6 * n, 0.1, Limits(high=50, hihi=60))
        yield Analog(f"{at}:QF1:I", f"{sector} quad QF1 current", "A", 188.2, 0.005, Limits(185, 187.8, 188.6, 191), 3)
        yield Analog(f"{at}:QD1:I", f"{sector} quad QD1 current", "A", 141.7, 0.005, Limits(138, 141.3, 142.1, 145), 3)
        yield Discrete(f"{at}:PS1:Sts", f"{sector} quadrupole supplies", _POWER_SUPPLY)


def cooling() -> Iterator[Signal]:
    """Pumps, towers and the demineralised water circuit."""
    for n in range(1, 5):
        at = f"COOL:PMP{n}"
        yield Analog(f"{at}:Flow", f"Pump {n} flow", "m3/h", 118 + n, 0.6, Limits(80, 100), 1)
        yield Analog(f"{at}:P", f"Pump {n} discharge pressure", "bar", 7.4, 0.03, Limits(5, 6, 8.5, 9.5), 2)
        yield Analog(f"{at}:Vib", f"Pump {n} vibration", "mm/s", 2.4 + 0.3 * n, 0.08, Limits(high=7.1, hihi=11.2), 2)
        yield Discrete(f"{at}:Sts", f"Pump {n}", _RUNNING)
    for n in (1, 2):
        yield Analog(f"COOL:TWR{n}:Tmp", f"Cooling tower {n} basin temperature", "degC", 22.5, 0.1, Limits(4, 8, 27, 30))
        yield Discrete(f"COOL:TWR{n}:Fan", f"Cooling tower {n} fan", _RUNNING)
    yield Analog("COOL:SUP:Tmp", "Supply temperature", "degC", 25, 0.03, Limits(23, 24.5, 25.5, 27), 2)
    yield Analog("COOL:RET:Tmp", "Return temperature", "degC", 33.5, 0.1, Limits(high=38, hihi=42))
    yield Analog("COOL:SUP:Cond", "Water conductivity", "uS/cm", 0.11, 0.005, Limits(high=0.3, hihi=1), 3)
    yield Analog("COOL:FIL1:dP", "Filter differential pressure", "bar", 0.35, 0.01, Limits(high=0.8, hihi=1.2), 2)
    yield Analog("COOL:TANK1:Lvl", "Expansion tank level", "%", 71, 0.3, Limits(20, 40, 90, 97))


def cryo() -> Iterator[Signal]:
    """Helium plant and the two cryomodules of the superconducting wigglers."""
    for n in (1, 2):
        at = f"CRY:CMP{n}"
        yield Analog(f"{at}:P", f"Compressor {n} discharge pressure", "bar", 13.2, 0.05, Limits(10, 11.5, 14.5, 15.5), 2)
        yield Analog(f"{at}:TmpOil", f"Compressor {n} oil temperature", "degC", 62, 0.3, Limits(high=75, hihi=85))
        yield Analog(f"{at}:LvlOil", f"Compressor {n} oil level", "%", 64, 0.4, Limits(25, 40), 1)
        yield Discrete(f"{at}:Sts", f"Compressor {n}", _RUNNING)
    for n, normal in ((1, 80.0), (2, 41.0), (3, 12.5), (4, 5.2)):
        limits = Limits(high=normal * 1.15, hihi=normal * 1.4)
        yield Analog(f"CRY:CB:T{n}", f"Cold box temperature, stage {n}", "K", normal, normal * 0.002, limits, 2)
    for n, normal in ((1, 1910.0), (2, 2240.0)):
        yield Analog(f"CRY:CB:TURB{n}:Spd", f"Turbine {n} speed", "Hz", normal, 3, Limits(1200, 1600, 2500, 2700), 0)
    yield Analog("CRY:DEW1:Lvl", "Helium dewar level", "%", 68, 0.3, Limits(20, 35, 90, 95))
    yield Analog("CRY:DEW1:P", "Helium dewar pressure", "mbar", 1240, 2, Limits(1050, 1150, 1320, 1400), 0)
    for n in (1, 2):
        at = f"CRY:MOD{n}"
        yield Analog(f"{at}:Lvl", f"Cryomodule {n} helium level", "%", 82, 0.4, Limits(50, 65, 95, 98))
        yield Analog(f"{at}:Tmp", f"Cryomodule {n} coil temperature", "K", 4.35, 0.01, Limits(high=4.6, hihi=5), 3)
        yield Analog(f"{at}:P", f"Cryomodule {n} pressure", "mbar", 1180, 2, Limits(1050, 1100, 1260, 1350), 0)
        yield Discrete(f"{at}:QD:Sts", f"Cryomodule {n} quench detector", _states("Armed", ("Bypassed", _MINOR), ("Quench", _MAJOR)))
    yield Analog("CRY:LN2:Lvl", "Nitrogen tank level", "%", 57, 0.2, Limits(10, 25), 1)


def diagnostics() -> Iterator[Signal]:
    """Beam current, positions, losses and tunes."""
    yield Analog("SR:DI:DCCT:I", "Beam current", "mA", 300, 0.15, Limits(5, 290, 305, 310), 2)
    yield Analog("SR:DI:DCCT:Life", "Beam lifetime", "h", 14.2, 0.1, Limits(2, 8), 1)
    yield Analog("SR:DI:TUNE:X", "Horizontal tune", "", 0.172, 0.0005, Limits(0.15, 0.16, 0.185, 0.2), 4)
    yield Analog("SR:DI:TUNE:Y", "Vertical tune", "", 0.231, 0.0005, Limits(0.21, 0.22, 0.245, 0.26), 4)
    for sector in SECTORS:
        at = f"{sector}:DI"
        for axis in ("X", "Y"):
            yield Analog(f"{at}:BPM1:{axis}", f"{sector} orbit {axis.lower()}", "um", 4, 1.5, Limits(-250, -100, 100, 250), 0)
        yield Analog(f"{at}:BLM1:Rate", f"{sector} beam loss rate", "1/s", 320, 9, Limits(high=2000, hihi=10000), 0)
    yield Discrete("SR:DI:SCR1:Sts", "Screen 1", _states("Out", ("Moving", _MINOR), ("In", _MAJOR)))
    yield Discrete("SR:DI:FBK:Sts", "Orbit feedback", _states("Running", ("Paused", _MINOR), ("Tripped", _MAJOR)))


def timing() -> Iterator[Signal]:
    """Master oscillator, event generator and receivers."""
    yield Discrete("TIM:EVG1:Sts", "Event generator", _states("Running", ("Holdover", _MINOR), ("Stopped", _MAJOR)))
    yield Discrete("TIM:EVG1:RefLock", "Event generator reference", _LOCK)
    yield Analog("TIM:EVG1:SeqRate", "Sequence rate", "Hz", 10, 0.002, Limits(9, 9.9, 10.1, 11), 3)
    for n, sector in enumerate(SECTORS, 1):
        yield Discrete(f"TIM:EVR{n}:Link", f"{sector} event receiver link", _states("Up", ("Down", _MAJOR)))
        yield Analog(f"TIM:EVR{n}:Tmp", f"{sector} event receiver temperature", "degC", 41 + 0.8 * n, 0.15, Limits(high=60, hihi=70))
    yield Discrete("TIM:GPS1:Lock", "GPS receiver", _states("Locked", ("Holdover", _MINOR), ("Unlocked", _MAJOR)))
    yield Analog("TIM:GPS1:Sats", "GPS satellites in view", "", 9, 0.15, Limits(2, 4), 0)
    yield Analog("TIM:MO1:Pwr", "Master oscillator power", "dBm", 13, 0.02, Limits(10, 12, 14, 15), 2)
    yield Analog("TIM:MO1:F", "Master oscillator frequency offset", "Hz", 0, 0.2, Limits(-50, -10, 10, 50), 1)
    yield Analog("TIM:NTP1:Offs", "Time server offset", "ms", 0.02, 0.02, Limits(-10, -1, 1, 10), 3)


def personnel_safety() -> Iterator[Signal]:
    """What keeps people out, as the safety system reports it to us; we only read it."""
    yield Discrete("PSS:SR:Search", "Ring search", _states("Secure", ("In progress", _MINOR), ("Not searched", _MAJOR)))
    for n in range(1, 5):
        yield Discrete(f"PSS:DOOR{n}:Sts", f"Ring door {n}", _SHUT)
        yield Discrete(f"PSS:ESTOP{n}:Sts", f"Emergency stop {n}", _states("Released", ("Pressed", _MAJOR)))
        yield Analog(f"PSS:RAD{n}:Rate", f"Radiation monitor {n}", "uSv/h", 0.14, 0.01, Limits(high=0.5, hihi=2.5), 2)
    yield Discrete("PSS:KEY:Sts", "Master key", _states("In place", ("Taken", _MINOR)))
    yield Discrete("PSS:UPS1:Sts", "Safety system supply", _states("Mains", ("Battery", _MINOR), ("Failing", _MAJOR)))
    yield Discrete("PSS:PLC1:Sts", "Safety controller", _states("Healthy", ("One channel", _MAJOR), ("Failed", _INVALID)))


def signals(group: Group) -> tuple[Signal, ...]:
    """The signals that one IOC serves."""
    if group is Group.REMOTE:
        return tuple(vacuum_sector(REMOTE_SECTOR))
    vacuum = (signal for sector in SECTORS if sector != REMOTE_SECTOR for signal in vacuum_sector(sector))
    stations = (signal for sector in RF_SECTORS for signal in rf_station(sector))
    return (*vacuum, *stations, *magnets(), *cooling(), *cryo(), *diagnostics(), *timing(), *personnel_safety())


def database(group: Group) -> str:
    """The EPICS database of one IOC."""
    return "\n".join(signal.record() for signal in signals(group))
