"""Forms in which answers are printed, and JSON of what a client returned."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, Any

import typer

from alarm_engine.model.palette import PALETTE
from tocsin.cli.printing import hidden_word, plain
from tocsin.client.types import Alarm

_WHOLE = {"UNDEFINED": "UNDEFINED", "UNDEFINED_ACK": "undefined ✓"}
"""Severities that the palette, made for narrow fields of dashboards, shortens."""
_WHOLE_WORDS = {PALETTE[name].word: text for name, text in _WHOLE.items()}
_RENAMED = {"from_severity": "from", "to_severity": "to"}


class Form(StrEnum):
    """How an answer is printed."""

    TABLE = "table"
    PLAIN = "plain"
    JSON = "json"
    NDJSON = "ndjson"


Printed = Annotated[
    Form,
    typer.Option(
        "--format",
        metavar="FORM",
        help="table: for people; plain: a line for each, fields with tabs between them; json, ndjson: as the REST interface answers.",
    ),
]


def say(text: str) -> None:
    """A line of the answer."""
    typer.echo(text)


def say_json(answer: Any) -> None:
    """The whole answer as one object."""
    typer.echo(_json(answer, pretty=sys.stdout.isatty()))


def say_ndjson(answers: Iterable[Any]) -> None:
    """An object in each line."""
    for answer in answers:
        typer.echo(_json(answer))


def _json(answer: Any, *, pretty: bool = False) -> str:
    import orjson

    return orjson.dumps(as_object(answer), option=orjson.OPT_INDENT_2 if pretty else 0).decode()


def as_object(answer: Any) -> Any:
    """What a client returned as the REST interface has it."""
    import msgspec

    return _named(msgspec.to_builtins(answer))


def _named(value: Any) -> Any:
    if isinstance(value, dict):
        return {_RENAMED.get(name, name): _named(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_named(one) for one in value]
    return value


def shade(alarm: Alarm) -> str:
    """Name of the colours of an alarm in the palette."""
    if alarm.suppression is not None:
        return hidden_word(for_good=alarm.suppression.until is None)
    return str(alarm.severity) if alarm.known else "STALE"


def word(alarm: Alarm) -> str:
    """What is written on its colours: colour is never alone."""
    if alarm.suppression is not None and alarm.suppression.until is None:
        return "out of service"
    if not alarm.known:
        return "no data"
    known = PALETTE.get(shade(alarm))
    return known.word if known else str(alarm.severity)


def whole_word(alarm: Alarm) -> str:
    """The same where there is room: severities stand there in full, as in sentences and on components."""
    return _WHOLE.get(shade(alarm), word(alarm))


def whole(text: str) -> str:
    """A word for a severity in full."""
    return _WHOLE_WORDS.get(text, text)


def current(alarm: Alarm) -> str:
    """What the PV says now, in a word."""
    if not alarm.connected:
        return "disconnected"
    if alarm.current is None:
        return ""
    known = PALETTE.get(str(alarm.current.severity))
    return known.word if known else str(alarm.current.severity)


def tabbed(alarm: Alarm) -> str:
    """The alarm for scripts, with a tab between two fields.

    Severity, state, since (ISO 8601), path, message, value, who acknowledged or suppressed it, description.
    """
    since = alarm.since.isoformat() if alarm.since else ""
    by = alarm.acknowledgement.user if alarm.acknowledgement else alarm.suppression.user if alarm.suppression else ""
    fields = (str(alarm.severity), str(alarm.state), since, alarm.path, alarm.message, alarm.value, by, alarm.description)
    return "\t".join(map(plain, fields))
