"""Texts of the files -> values of fields, with a sentence for what cannot be read."""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo, available_timezones

from alarm_engine.config.fault import suggestion
from alarm_engine.model.times import Nanos, from_datetime

LONGEST_NAME = 200
LONGEST_TEXT = 10_000
LONG_DELAY_S = 3600
"""A delay above this is probably a mistake in the unit."""
_GREATEST_INT = 2**31 - 1
"""Phoebus reads 32 bits."""

DURATION = r"(?:(\d{1,6})\s*h)?\s*(?:(\d{1,8})\s*min)?\s*(?:(\d{1,10})\s*s)?"
"""Hours, minutes and seconds, each once and in that order."""
DATE = r"(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?)?\s*(Z|[+-]\d\d:\d\d)?"
CONFIG_NAME = r"[a-zA-Z0-9._-]{1,200}"
COMPONENT_ID = r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}"

_DURATION = re.compile(DURATION)
_DATE = re.compile(DATE)
_CONFIG_NAME = re.compile(CONFIG_NAME)
_COMPONENT_ID = re.compile(COMPONENT_ID)
_WHOLE = re.compile(r"[0-9]{1,10}")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_PLAIN_PV = re.compile(r"[!-#%-.0-\[\]-~]+(?:/[!-#%-.0-\[\]-~]+)*")
"""Printable ASCII without blanks, backslashes and macros: nearly every name there is; the rest is looked at closely."""
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_BLANKS_ALLOWED = ("=", "eq://", "sim://", "loc://")
_SCHEMES = ("ca", "pva", "loc", "sim", "eq", "mqtt", "sys")
_ACTIONS = ("mailto", "cmd", "sevrpv", "infopv")

DELAY_EXPECTED = "whole seconds or a duration like 5s, 2min"
DATE_EXPECTED = "true, false or a date like 2040-01-02T03:04:05 (out of service until then)"


class BadValue(ValueError):
    """A text that does not fit its field."""

    def __init__(self, problem: str, expected: str, noted: bool = False) -> None:
        super().__init__(f"{problem} — expected {expected}")
        self.problem = problem
        self.expected = expected
        self.noted = noted
        """The fault has been reported where its cause stands."""


def flag(text: str, plain: bool) -> bool:
    """`true` or `false`; other YAML spellings are refused since editors and YAML 1.2 read them as texts."""
    if plain and text in ("true", "false"):
        return text == "true"
    word = text.strip().lower()
    meant = {"true": "true", "yes": "true", "on": "true", "y": "true", "false": "false", "no": "false", "off": "false", "n": "false"}.get(
        word
    )
    hint = f"; did you mean {meant}{'' if plain else ', without quotes'}?" if meant else ""
    raise BadValue(f"is neither true nor false{hint}", "true or false")


def delay(text: str) -> int:
    """Whole seconds of `5`, `5s`, `2min`, `1h 30min`."""
    if _WHOLE.fullmatch(text):
        seconds = int(text)
    else:
        match = _DURATION.fullmatch(text.strip())
        if not match or not any(match.groups()):
            raise BadValue(_number_problem(text, "a duration"), DELAY_EXPECTED)
        hours, minutes, rest = (int(group or 0) for group in match.groups())
        seconds = hours * 3600 + minutes * 60 + rest
    if seconds > _GREATEST_INT:
        raise BadValue("is too long", f"at most {_GREATEST_INT} s")
    return seconds


def count(text: str) -> int:
    """A number of alarms, 0 or more."""
    if _WHOLE.fullmatch(text) and int(text) <= _GREATEST_INT:
        return int(text)
    raise BadValue(_number_problem(text, "a count"), "a whole number of alarms, 0 for off")


def _number_problem(text: str, what: str) -> str:
    if re.fullmatch(r"\s*-\d+(\.\d+)?\s*\w*", text):
        return "is negative"
    if re.fullmatch(r"\s*\d+\.\d*\s*\w*", text):
        return "is no whole number"
    if re.fullmatch(r"\s*\d+\s*m", text):
        return "is ambiguous (min or ms?)"
    return f"is not {what}"


def enabled(text: str, plain: bool, zone: tzinfo) -> tuple[bool, Nanos | None]:
    """On, off, or off until a date; a date without zone is read in `zone`."""
    if plain and text in ("true", "false"):
        return text == "true", None
    match = _DATE.fullmatch(text.strip())
    if not match:
        try:
            flag(text, plain)
        except BadValue as bad:
            raise BadValue(bad.problem.replace("neither true nor false", "neither true, false nor a date"), DATE_EXPECTED) from None
    assert match is not None
    return False, _moment(match, zone)


def _moment(match: re.Match[str], zone: tzinfo) -> Nanos:
    year, month, day, hour, minute, second, fraction, offset = match.groups()
    wall = f"{year}-{month}-{day}T{hour or '00'}:{minute or '00'}:{second or '00'}"
    try:
        moment = datetime.fromisoformat(wall + ("+00:00" if offset == "Z" else offset or ""))
    except ValueError as problem:
        raise BadValue(f"is no date that exists ({problem})", DATE_EXPECTED) from problem
    if not 1970 < moment.year < 2100:
        raise BadValue("is no date an alarm can wait for", "a year from 1971 to 2099")
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
        if moment.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != moment.replace(tzinfo=None):
            raise BadValue(f"does not exist in {zone}: clocks are put forward over it", "another time, or one with an offset like +01:00")
    return Nanos(from_datetime(moment) + int((fraction or "").ljust(9, "0")))


def text(value: str) -> str:
    """A text for people: line breaks and tabs are allowed, other control characters are not."""
    if _CONTROL.search(value):
        raise BadValue("holds control characters", "readable text")
    if len(value) > LONGEST_TEXT:
        raise BadValue(f"has {len(value)} characters", f"at most {LONGEST_TEXT}; put long texts on a page and link it")
    return value


def formula(value: str) -> str:
    """A filter: only that quotes and parentheses match; what it computes is seen when it runs."""
    text(value)
    depth, quote = 0, ""
    for char in value:
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'`":
            quote = char
        elif char in "()":
            depth += 1 if char == "(" else -1
            if depth < 0:
                break
    if quote:
        raise BadValue(f"has a {quote} without its end", "a formula like 'Pump1:Run' == 1")
    if depth:
        raise BadValue("has parentheses that do not match", "a formula like 'Pump1:Run' == 1")
    return value


def pv_name(value: str) -> str:
    """Name of a PV as a Channel Access or PV Access client would be given it."""
    if _PLAIN_PV.fullmatch(value) and len(value) <= LONGEST_NAME:
        return value
    _name(value, "a PV name like SR01:GC1:Pressure")
    if any(char.isspace() for char in value) and not value.startswith(_BLANKS_ALLOWED):
        raise BadValue("has a blank in a PV name", "a PV name like SR01:GC1:Pressure")
    return value


def odd_pv_name(value: str) -> str:
    """What a warning about the name would say; empty if there is nothing."""
    scheme = _SCHEME.match(value)
    if scheme and scheme.group(1) not in _SCHEMES:
        return f"begins with an unknown protocol{suggestion(scheme.group(1), _SCHEMES)}"
    return ""


def component_name(value: str) -> str:
    """Name of a component: single words or several, as people say it."""
    _name(value, "a name like Vacuum or Sector 3")
    return value


def component_id(value: str) -> str:
    """Lasting identity of a component, part of the address of its dashboard."""
    if _COMPONENT_ID.fullmatch(value):
        return value
    raise BadValue("cannot be an id", "1 to 64 letters, digits, dots, underscores and hyphens, a letter or digit first")


def _name(value: str, expected: str) -> None:
    if not value or value.isspace():
        raise BadValue("is an empty name", expected)
    if not value.isprintable():
        raise BadValue("has control or invisible characters in the name", expected)
    if value != value.strip():
        raise BadValue("has blanks around the name", expected)
    if len(value) > LONGEST_NAME:
        raise BadValue(f"has {len(value)} characters in the name", f"at most {LONGEST_NAME}")
    if value.startswith("/"):
        raise BadValue("begins with a slash, which paths drop", expected)
    if "\\/" in value:
        raise BadValue("is escaped as in a path", f"the name itself: {value.replace(chr(92) + '/', '/')}")
    if value.endswith("\\"):
        raise BadValue("ends with a backslash, which no path can hold", expected)
    if "$(" in value or "${" in value:
        raise BadValue("holds a macro outside of a template", expected)


def config_name(value: str) -> str:
    """Name of the configuration, which is also that of a Kafka topic."""
    if _CONFIG_NAME.fullmatch(value) and value not in (".", ".."):
        return value
    raise BadValue("cannot be the name of a Kafka topic", "1 to 200 letters, digits, dots, underscores and hyphens")


def time_zone(value: str) -> ZoneInfo:
    """A zone by its IANA name."""
    try:
        return ZoneInfo(value)
    except (KeyError, ValueError, OSError) as problem:
        hint = suggestion(value, available_timezones())
        raise BadValue(f"is no time zone{hint}", "an IANA name like Europe/Berlin or UTC") from problem


def odd_action(details: str) -> str:
    """What a warning about the details of an action would say; empty if there is nothing."""
    scheme, colon, rest = details.partition(":")
    if not colon or scheme not in _ACTIONS:
        return f"does not begin with {', '.join(a + ':' for a in _ACTIONS)}{suggestion(scheme, _ACTIONS)}"
    return "" if rest.strip() else "names nothing after the colon"
