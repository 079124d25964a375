"""`config:` records: settings of an alarm or a component, as Phoebus writes and reads them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any

import orjson

from alarm_engine.errors import WireError
from alarm_engine.model.settings import Action, AlarmSettings, NodeSettings, Settings, TitledText
from alarm_engine.model.times import NANOS_PER_SECOND, Nanos, from_datetime, to_datetime, within
from alarm_engine.wire.json_text import encode, quote

_GREATEST_INT = 2**31 - 1
_LOCAL_DATE_TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?")


@dataclass(frozen=True, slots=True)
class ConfigRecord:
    """What a `config:` record says."""

    user: str
    host: str
    settings: Settings | None
    """None: a delete note, which only tells who is about to delete."""
    problems: tuple[str, ...] = ()
    """What could not be read and was left at its former value."""


def local_text(time: Nanos, zone: tzinfo) -> str:
    """A date as Phoebus writes it, without zone: `2040-01-02T03:04:05`, a fraction only if there is one."""
    text = to_datetime(time).astimezone(zone).strftime("%Y-%m-%dT%H:%M:%S")
    nanos = time % NANOS_PER_SECOND
    return f"{text}.{nanos:09d}".rstrip("0") if nanos else text


def parse_local(text: str, zone: tzinfo) -> Nanos:
    """The moment of a date without zone in `zone`; raises `ValueError`."""
    match = _LOCAL_DATE_TIME.fullmatch(text)
    if not match:
        raise ValueError(f"{text!r} is not a date like 2040-01-02T03:04:05")
    year, month, day, hour, minute, second, fraction = match.groups()
    moment = datetime(int(year), int(month), int(day), int(hour), int(minute), int(second or 0), tzinfo=zone)
    return Nanos(from_datetime(moment) + int((fraction or "0").ljust(9, "0")))


def encode_config(settings: Settings, user: str, host: str, zone: tzinfo) -> bytes:
    """The value of a `config:` record; fields at their default are left out, as Phoebus does."""
    parts = [f'"user":{quote(user)},"host":{quote(host)}']
    if isinstance(settings, AlarmSettings):
        parts.append(f'"description":{quote(settings.description)}')
        if not settings.enabled:
            at = settings.enabled_at
            parts.append('"enabled":false' if at is None else f'"enabled":"{local_text(at, zone)}"')
        if not settings.latching:
            parts.append('"latching":false')
        if not settings.annunciating:
            parts.append('"annunciating":false')
        if settings.delay_s > 0:
            parts.append(f'"delay":{settings.delay_s}')
        if settings.count > 0:
            parts.append(f'"count":{settings.count}')
        if settings.filter:
            parts.append(f'"filter":{quote(settings.filter)}')
    for name in ("guidance", "displays", "commands"):
        if entries := getattr(settings, name):
            items = ",".join(f'{{"title":{quote(e.title)},"details":{quote(e.details)}}}' for e in entries)
            parts.append(f'"{name}":[{items}]')
    if settings.actions:
        items = ",".join(f'{{"title":{quote(a.title)},"details":{quote(a.details)},"delay":{a.delay_s}}}' for a in settings.actions)
        parts.append(f'"actions":[{items}]')
    return encode("{" + ",".join(parts) + "}")


def encode_delete_note(user: str, host: str) -> bytes:
    """Who is about to delete; the tombstone follows."""
    return encode(f'{{"user":{quote(user)},"host":{quote(host)},"delete":"Deleting"}}')


def decode_config(value: bytes, zone: tzinfo, previous: Settings | None = None) -> ConfigRecord:
    """What the record says. An absent field has its default, never its former value.

    `previous` is what stood there before: its type (alarm or component) stays, and a date in `enabled` that cannot be read keeps the
    former one. Raises `WireError` for what is no JSON object, or a state record gone astray.
    """
    try:
        data = orjson.loads(value)
    except ValueError as problem:
        raise WireError(f"config record is no JSON ({problem}): {value[:200]!r}") from problem
    if not isinstance(data, dict):
        raise WireError(f"config record is no JSON object: {value[:200]!r}")
    if "severity" in data:
        raise WireError(f"config record holds a severity, so it is a state record: {value[:200]!r}")
    user, host = _text(data.get("user", "")), _text(data.get("host", ""))
    if "delete" in data:
        return ConfigRecord(user, host, None)
    lists: dict[str, Any] = {name: _entries(data.get(name)) for name in ("guidance", "displays", "commands")}
    lists["actions"] = _actions(data.get("actions"))
    if isinstance(previous, NodeSettings) or (previous is None and "description" not in data):
        return ConfigRecord(user, host, NodeSettings(**lists))
    former = previous or AlarmSettings()
    if "description" not in data:
        return ConfigRecord(user, host, AlarmSettings(**{**_fields(former), **lists}))
    enabled, enabled_at, problems = _enabled(data, zone, former)
    settings = AlarmSettings(
        description=_text(data["description"]),
        enabled=enabled,
        enabled_at=enabled_at,
        latching=_flag(data.get("latching", True)),
        annunciating=_flag(data.get("annunciating", True)),
        delay_s=max(0, _number(data.get("delay", 0))),
        count=max(0, _number(data.get("count", 0))),
        filter=_text(data.get("filter", "")),
        **lists,
    )
    return ConfigRecord(user, host, settings, problems)


def _fields(settings: AlarmSettings) -> dict[str, Any]:
    return {name: getattr(settings, name) for name in settings.__dataclass_fields__}


def _enabled(data: dict[str, Any], zone: tzinfo, former: AlarmSettings) -> tuple[bool, Nanos | None, tuple[str, ...]]:
    """Phoebus's reading: true/false in any case by JSON rules (so "TRUE" is off), everything else a local date."""
    if "enabled" not in data:
        return True, None, ()
    text = _text(data["enabled"])
    if text.lower() in ("true", "false"):
        return _flag(data["enabled"]), None, ()
    try:
        return False, within(parse_local(text, zone)), ()
    except (ValueError, OverflowError):
        problem = f"enabled: {text!r} is neither true, false nor a local date like 2040-01-02T03:04:05; kept as it was"
        return former.enabled, former.enabled_at, (problem,)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, dict | list):
        return ""
    return orjson.dumps(value).decode()


def _flag(value: Any) -> bool:
    if isinstance(value, str):
        return value.strip() == "true"
    return isinstance(value, bool | int | float) and bool(value)


def _number(value: Any) -> int:
    """An integer of 32 bits as Java has it: what lies beyond is cut, since no event could hold the end of such a delay."""
    try:
        number = int(value) if isinstance(value, int) else int(float(value))
    except (TypeError, ValueError, OverflowError):
        return 0
    return max(-_GREATEST_INT - 1, min(number, _GREATEST_INT))


def _entries(value: Any) -> tuple[TitledText, ...]:
    if not isinstance(value, list):
        return ()
    return tuple(TitledText(_text(e.get("title", "")), _text(e.get("details", ""))) for e in value if isinstance(e, dict))


def _actions(value: Any) -> tuple[Action, ...]:
    if not isinstance(value, list):
        return ()
    return tuple(
        Action(_text(e.get("title", "")), _text(e.get("details", "")), max(0, _number(e.get("delay", 0))))
        for e in value
        if isinstance(e, dict)
    )


def whole_second(time: Nanos) -> Nanos:
    """The next whole second: dates in `enabled` have that resolution in Phoebus."""
    return from_datetime(to_datetime(Nanos(time + NANOS_PER_SECOND - 1)).replace(microsecond=0))
