"""`tocsin ack`, `unack`, `shelve`, `unshelve`, `disable`, `enable`: commands for alarms, by path, name or pattern."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any

import typer

from alarm_engine.errors import TocsinError
from alarm_engine.logic.shelving import LONGEST_DAYS
from alarm_engine.model.state import EventId
from tocsin.cli.alarm_lines import alarm_table
from tocsin.cli.answering import Form, Printed, say_json, say_ndjson
from tocsin.cli.command_words import WORDS, Failed, Kind, Tone, report
from tocsin.cli.moments import read_end, read_span
from tocsin.cli.printing import at_prompt, console, note, plain
from tocsin.cli.reaching import Reach, reaching
from tocsin.cli.resolving import NotOne, hinting, is_pattern, matching, resolve
from tocsin.client import Client
from tocsin.client.errors import ClientError
from tocsin.client.types import Alarm, CommandResult

_UNKNOWN = 2
"""Exit code: it may or may not have been carried out."""

Targets = Annotated[
    list[str],
    typer.Argument(
        metavar="ALARM...",
        help="Paths of alarms or components, names of PVs that are there once, or patterns with * and ?, which are asked about. "
        "Of what a component or pattern names only those alarms count for which the command makes sense: for ack the active ones.",
        show_default=False,
    ),
]
Reason = Annotated[str, typer.Option("--reason", "-r", help="Why; stands in the history.", show_default=False)]
NeededReason = Annotated[str, typer.Option("--reason", "-r", help="Why: the next shift will want to know.", show_default=False)]
User = Annotated[
    str | None, typer.Option("--user", help="Who you are, where nobody has to log in.", show_default="the user of this terminal")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask about what a pattern names.")]


@reaching
def ack(  # noqa: PLR0913, PLR0917 - each is an option
    reach: Reach,
    alarms: Targets,
    reason: Reason = "",
    seen: Annotated[
        str | None,
        typer.Option(
            "--seen", metavar="EVENT", help="as_of of what you looked at: alarms that rose after it are left alone.", show_default=False
        ),
    ] = None,
    user: User = None,
    yes: Yes = False,
    form: Printed = Form.TABLE,
) -> int:
    """Take notice of alarms; of a component: of all that are active below it.

    What a pattern names is listed and asked about; alarms that rise meanwhile are left alone. Exit code 1 if something was refused or left
    alone, 2 if it is not known whether it was carried out.
    """
    return _carry_out(reach, Kind.ACKNOWLEDGE, alarms, {"reason": reason, "seen": _event(seen)}, _Manner(user, yes, form))


def _event(text: str | None) -> str | None:
    """The id of an event as it was typed; a fault ends the command."""
    try:
        return None if text is None else str(EventId.parse(text))
    except ValueError as problem:
        raise typer.BadParameter(str(problem), param_hint="'--seen'") from None


@reaching
def unack(reach: Reach, alarms: Targets, reason: Reason = "", user: User = None, yes: Yes = False, form: Printed = Form.TABLE) -> int:
    """Take an acknowledgement back."""
    return _carry_out(reach, Kind.UNACKNOWLEDGE, alarms, {"reason": reason}, _Manner(user, yes, form))


@reaching
def shelve(  # noqa: PLR0913, PLR0917 - each is an option
    reach: Reach,
    alarms: Targets,
    reason: NeededReason,
    duration: Annotated[
        str | None, typer.Option("--for", metavar="SPAN", help=f"For how long: 15m, 1h, 7d; {LONGEST_DAYS}d at most.", show_default=False)
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="TIME", help="Until when: 18:00, '2026-12-01 07:00', +2h.", show_default=False)
    ] = None,
    user: User = None,
    yes: Yes = False,
    form: Printed = Form.TABLE,
) -> int:
    """Take alarms out of sight for a time, 400 days at most. They come back by themselves.

    Exit code 1 if something was refused, 2 if it is not known whether it was carried out.
    """
    return _carry_out(reach, Kind.SHELVE, alarms, {"reason": reason, **_end(duration, until)}, _Manner(user, yes, form))


def _end(duration: str | None, until: str | None) -> dict[str, Any]:
    if (duration is None) == (until is None):
        raise typer.BadParameter("give one of them: how long, or until when", param_hint="'--for' / '--until'")
    if duration is not None:
        span = read_span(duration, "'--for'")
        _refuse_too_long(span, duration, "'--for'")
        return {"duration": span}
    assert until is not None
    end = read_end(until, "'--until'")
    _refuse_too_long(end - datetime.now().astimezone(), until, "'--until'")
    return {"until": end}


def _refuse_too_long(span: timedelta, text: str, hint: str) -> None:
    if span > timedelta(days=LONGEST_DAYS):
        told = f"{text!r} is more than {LONGEST_DAYS} days: for as long as that take it out of service with `tocsin disable`"
        raise typer.BadParameter(told, param_hint=hint)


@reaching
def unshelve(reach: Reach, alarms: Targets, reason: Reason = "", user: User = None, yes: Yes = False, form: Printed = Form.TABLE) -> int:
    """Bring shelved alarms back before their time."""
    return _carry_out(reach, Kind.UNSHELVE, alarms, {"reason": reason}, _Manner(user, yes, form))


@reaching
def disable(reach: Reach, alarms: Targets, reason: NeededReason, user: User = None, yes: Yes = False, form: Printed = Form.TABLE) -> int:
    """Take alarms out of service, until somebody enables them."""
    return _carry_out(reach, Kind.DISABLE, alarms, {"reason": reason}, _Manner(user, yes, form))


@reaching
def enable(reach: Reach, alarms: Targets, reason: Reason = "", user: User = None, yes: Yes = False, form: Printed = Form.TABLE) -> int:
    """Put alarms back into service."""
    return _carry_out(reach, Kind.ENABLE, alarms, {"reason": reason}, _Manner(user, yes, form))


@dataclass(frozen=True, slots=True)
class _Manner:
    """How a command is given, and its answer printed."""

    user: str | None
    yes: bool
    form: Form


def _carry_out(reach: Reach, kind: Kind, texts: Sequence[str], given: dict[str, Any], manner: _Manner) -> int:
    """Give a command for everything that is named, one after the other; returns the exit code."""
    given = {**given, "user": manner.user}
    with reach.open() as client:
        # All of it is looked up before anything is done: a misspelt name stops the whole.
        wanted = dict(pair for text in texts for pair in _named(client, reach, kind, text, yes=manner.yes))
        ends = _ends(given)
        answers = [_given(client, kind, path, given | more) for path, more in wanted.items()]
    if manner.form in (Form.JSON, Form.NDJSON):
        (say_json if manner.form is Form.JSON else say_ndjson)(answers)
    said = report(kind, answers, ends)
    for one in said:
        if one.tone is not Tone.DONE:
            note(one.text)
        elif manner.form in (Form.TABLE, Form.PLAIN):
            console().print(one.text, soft_wrap=True)
    tones = {one.tone for one in said}
    return _UNKNOWN if Tone.NOT_CONFIRMED in tones else 1 if Tone.REFUSED in tones else 0


def _ends(given: dict[str, Any]) -> datetime | None:
    """When what was commanded ends by itself; by the clock of this machine."""
    end: datetime | None = given.get("until")
    return datetime.now().astimezone() + given["duration"] if "duration" in given else end


def _named(client: Client, reach: Reach, kind: Kind, text: str, *, yes: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    """Paths that a text names, each with what its command is given besides."""
    if not is_pattern(text):
        yield resolve(client, text, reach.config), {}
        return
    found = matching(client, text, reach.config)
    reach.judge(found.answer)
    fitting = [alarm for alarm in found.alarms if WORDS[kind].fits(alarm)]
    if not found.alarms:
        raise NotOne(f"{plain(text)} names no alarm of the tree, so it may be misspelt; nothing was done")
    if not fitting:
        note(f"Nothing to do: {WORDS[kind].unfit}: none of {_counted(found.alarms)} that {plain(text)} names.")
        return
    if not yes:
        _confirm(kind, text, fitting)
    for alarm in fitting:
        # What is on screen now is what is agreed to.
        yield alarm.path, {"seen": alarm.version} if kind is Kind.ACKNOWLEDGE else {}


def _confirm(kind: Kind, text: str, alarms: Sequence[Alarm]) -> None:
    number = _counted(alarms)
    out = console(stderr=True)
    out.print(alarm_table(alarms, time.time(), out.width))
    if not sys.stdin.isatty():
        raise TocsinError(f"{plain(text)} names {number}, and nobody can be asked here: with --yes it is done")
    if not typer.confirm(f"{WORDS[kind].name} {number}?", err=True):
        raise typer.Exit(1)


def _counted(alarms: Sequence[Alarm]) -> str:
    return f"{len(alarms)} alarm{'' if len(alarms) == 1 else 's'}"


def _given(client: Client, kind: Kind, path: str, given: dict[str, Any]) -> CommandResult | Failed:
    method: Callable[..., CommandResult] = getattr(client, kind.value)
    try:
        with hinting(client, path):
            return method(path, **given)
    except (NotOne, ClientError) as problem:
        # What raises was surely not carried out; what may have been is a result.
        return Failed(path, at_prompt(str(problem)))
