"""What a process variable of the demo machine is, and how an IOC is told so."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """Severities that a record can give itself; the words are those of EPICS databases."""

    OK = "NO_ALARM"
    MINOR = "MINOR"
    MAJOR = "MAJOR"
    INVALID = "INVALID"


@dataclass(frozen=True, slots=True)
class Limits:
    """Alarm limits in the unit of the signal; None: no such limit. The outer ones are MAJOR, the inner ones MINOR."""

    lolo: float | None = None
    low: float | None = None
    high: float | None = None
    hihi: float | None = None


@dataclass(frozen=True, slots=True)
class Analog:
    """A measured number: an `ai` record."""

    pv: str
    description: str
    """At most 40 characters, as DESC holds."""
    unit: str
    normal: float
    noise: float
    """Standard deviation of what the instrument adds, in the unit of the signal."""
    limits: Limits = Limits()
    precision: int = 1
    """Digits after the point; the instrument gives no more."""

    @property
    def hysteresis(self) -> float:
        """Wide enough that noise alone does not make an alarm come and go."""
        return 4 * self.noise

    def severity(self, value: float) -> Severity:
        """What the record would say of a value, hysteresis aside."""
        limits = self.limits
        if (limits.hihi is not None and value >= limits.hihi) or (limits.lolo is not None and value <= limits.lolo):
            return Severity.MAJOR
        if (limits.high is not None and value >= limits.high) or (limits.low is not None and value <= limits.low):
            return Severity.MINOR
        return Severity.OK

    def record(self) -> str:
        """The record as database text."""
        fields = {"DESC": self.description, "EGU": self.unit, "PREC": self.precision, "VAL": f"{self.normal:g}", "PINI": "YES"}
        given = (
            ("LOLO", "LLSV", self.limits.lolo, Severity.MAJOR),
            ("LOW", "LSV", self.limits.low, Severity.MINOR),
            ("HIGH", "HSV", self.limits.high, Severity.MINOR),
            ("HIHI", "HHSV", self.limits.hihi, Severity.MAJOR),
        )
        for limit, severity_field, value, severity in given:
            if value is not None:
                fields |= {limit: f"{value:g}", severity_field: severity}
        return _record("ai", self.pv, fields | {"HYST": f"{self.hysteresis:g}"})


@dataclass(frozen=True, slots=True)
class State:
    """A state of a device."""

    label: str
    """At most 25 characters, as the records hold."""
    severity: Severity = Severity.OK


_BI_FIELDS = (("ZNAM", "ZSV"), ("ONAM", "OSV"))
_MBBI_FIELDS = tuple((f"{number}ST", f"{number}SV") for number in ("ZR", "ON", "TW", "TH", "FR", "FV", "SX", "SV"))


@dataclass(frozen=True, slots=True)
class Discrete:
    """The state of a device: a `bi` record for two states, `mbbi` for up to eight."""

    pv: str
    description: str
    """At most 40 characters, as DESC holds."""
    states: tuple[State, ...]
    """The first one is normal."""

    @property
    def normal(self) -> str:
        """Label of the state in which nothing is wrong."""
        return self.states[0].label

    def severity(self, label: str) -> Severity:
        """What the record says of a state; `KeyError` if there is none of that name."""
        return {state.label: state.severity for state in self.states}[label]

    def record(self) -> str:
        """The record as database text."""
        kind, names = ("bi", _BI_FIELDS) if len(self.states) == 2 else ("mbbi", _MBBI_FIELDS)
        fields: dict[str, object] = {"DESC": self.description, "VAL": 0, "PINI": "YES"}
        for (label_field, severity_field), state in zip(names, self.states, strict=False):
            fields |= {label_field: state.label, severity_field: state.severity}
        return _record(kind, self.pv, fields)


Signal = Analog | Discrete


def _record(kind: str, pv: str, fields: dict[str, object]) -> str:
    lines = "".join(f'  field({name}, "{value}")\n' for name, value in fields.items())
    return f'record({kind}, "{pv}") {{\n{lines}}}\n'
