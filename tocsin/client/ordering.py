"""Orders of alarms, as the server has them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from alarm_engine.model.path import natural_key, split
from tocsin.client.types.live import Alarm

Key = tuple[Any, ...]

_BEFORE = datetime.min.replace(tzinfo=UTC)
_NEVER = datetime.max.replace(tzinfo=UTC)


def _newest(alarm: Alarm) -> float:
    return -(alarm.since - _BEFORE).total_seconds() if alarm.since is not None else 0.0


def _until(alarm: Alarm) -> datetime:
    return alarm.suppression.until if alarm.suppression is not None and alarm.suppression.until is not None else _NEVER


_ORDERS: dict[str, Callable[[Alarm], Key]] = {
    "severity": lambda alarm: (-alarm.severity.level, _newest(alarm), alarm.path),
    "time": lambda alarm: (_newest(alarm), alarm.path),
    "since": lambda alarm: (_newest(alarm), alarm.path),
    "path": lambda alarm: (*(natural_key(element) for element in split(alarm.path)), alarm.path),
    "pv": lambda alarm: (natural_key(alarm.pv), alarm.path),
    "where": lambda alarm: (tuple(natural_key(element) for element in split(alarm.path)[1:-1]), alarm.path),
    "description": lambda alarm: (alarm.description.casefold(), alarm.path),
    "message": lambda alarm: (alarm.message.casefold(), alarm.path),
    "value": lambda alarm: (natural_key(alarm.value), alarm.path),
    "current": lambda alarm: (-alarm.current.severity.level if alarm.current is not None else 0, alarm.path),
    "by": lambda alarm: (alarm.acknowledgement.user.casefold() if alarm.acknowledgement is not None else "", alarm.path),
    "until": lambda alarm: (_until(alarm), alarm.path),
}


def is_known(sort: str) -> bool:
    """False for an order of a later server."""
    return sort.removeprefix("-") in _ORDERS


def in_order(alarms: Iterable[Alarm], sort: str) -> list[Alarm]:
    """Alarms in the order of that name, with a `-` before it the other way round."""
    name = sort.removeprefix("-")
    return sorted(alarms, key=_ORDERS[name], reverse=name != sort)
