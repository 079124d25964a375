"""`tocsin alarms`: what is in alarm now, as a list or as a live table."""

from __future__ import annotations

import sys
import time
from enum import StrEnum
from typing import Annotated

import typer

from tocsin.cli.alarm_lines import alarm_table
from tocsin.cli.answering import Form, say, say_json, say_ndjson, tabbed
from tocsin.cli.printing import console, note
from tocsin.cli.reaching import Reach, reaching
from tocsin.cli.resolving import hinting, resolve
from tocsin.client import Client
from tocsin.client.types import AlarmList


class Which(StrEnum):
    """Which alarms."""

    ACTIVE = "active"
    ACKNOWLEDGED = "acknowledged"
    SHELVED = "shelved"
    DISABLED = "disabled"
    OK = "ok"
    UNKNOWN = "unknown"
    STANDING = "standing"
    ALL = "all"


class Kind(StrEnum):
    """How bad; acknowledged ones are meant too."""

    MINOR = "MINOR"
    MAJOR = "MAJOR"
    INVALID = "INVALID"
    UNDEFINED = "UNDEFINED"


class Sorting(StrEnum):
    """What comes first."""

    SEVERITY = "severity"
    SINCE = "since"
    PV = "pv"
    PATH = "path"
    MESSAGE = "message"
    VALUE = "value"
    UNTIL = "until"


IN_ALARM = (Which.ACTIVE, Which.ACKNOWLEDGED)
_LISTED_ONLY = {Which.OK, Which.UNKNOWN, Which.ALL}


@reaching
def alarms(  # noqa: PLR0913, PLR0917 - each is an option
    reach: Reach,
    path: Annotated[
        str | None,
        typer.Argument(
            metavar="PATH",
            help="Only this alarm, or what is below this component: a path, or a name that is there once.",
            show_default=False,
        ),
    ] = None,
    state: Annotated[
        list[Which] | None,
        typer.Option(
            "--state",
            metavar="STATE",
            help=f"One of {', '.join(Which)}; repeatable. If not given: active and acknowledged. standing: shelved ones too.",
            show_default=False,
        ),
    ] = None,
    severity: Annotated[
        list[Kind] | None,
        typer.Option(
            "--severity", metavar="SEVERITY", case_sensitive=False, help=f"Only these: {', '.join(Kind)}; repeatable.", show_default=False
        ),
    ] = None,
    text: Annotated[
        str, typer.Option("--text", "-q", help="Words that must all be in path, description, message or value.", show_default=False)
    ] = "",
    once: Annotated[bool, typer.Option("--once", help="A list, also on a terminal.")] = False,
    sort: Annotated[
        Sorting | None,
        typer.Option("--sort", metavar="ORDER", help=f"Order of the list: {', '.join(Sorting)}; implies --once.", show_default="severity"),
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", metavar="NUMBER", min=1, help="Rows of the list at most; implies --once.", show_default=False)
    ] = None,
    user: Annotated[
        str | None,
        typer.Option("--user", help="Who gives commands in the live table, where nobody has to log in.", show_default="who runs it"),
    ] = None,
    form: Annotated[
        Form | None,
        typer.Option(
            "--format",
            metavar="FORM",
            help="Implies --once. table: for people; plain: tabs between fields; json, ndjson: as the REST interface answers.",
            show_default="table",
        ),
    ] = None,
) -> int:
    """What is in alarm now, worst first: a live table on a terminal, a list where the output goes elsewhere.

    In the live table: arrows or j and k move, / filters, a acknowledges, s shelves, enter shows details and guidance, ? tells all keys, q
    ends it.

    Exit code of the list: 0 if there are alarms, 1 if there are none, 3 if nobody can tell because the engine is silent.
    """
    live = form is None and not once and sort is None and limit is None and not _LISTED_ONLY & set(state or ())
    if live and sys.stdin.isatty() and sys.stdout.isatty():
        from tocsin.cli.live import show_live

        words = {"state": [str(one) for one in state or ()], "severity": [str(one) for one in severity or ()]}
        show_live(reach, path, text=text, user=user, **words)
        return 0
    with reach.open() as client, hinting(client, path, reach.config):
        answer = client.alarms(
            None if path is None else resolve(client, path, reach.config),
            config=reach.config,
            state=[str(one) for one in state or IN_ALARM],
            severity=[str(one) for one in severity or ()],
            text=text or None,
            sort=str(sort or Sorting.SEVERITY),
            limit=limit,
        )
        unknown = 0 if answer.alarms or form not in (None, Form.TABLE) else _unknown(client, reach.config)
    reach.judge(answer)
    _print(answer, form or Form.TABLE)
    if not answer.alarms and form in (None, Form.TABLE):
        note(_nothing(answer, unknown, narrowed=bool(path or state or severity or text)))
    return 0 if answer.alarms else 1


def _print(answer: AlarmList, form: Form) -> None:
    if form is Form.JSON:
        say_json(answer)
    elif form is Form.NDJSON:
        say_ndjson(answer.alarms)
    elif form is Form.PLAIN:
        for alarm in answer.alarms:
            say(tabbed(alarm))
    elif answer.alarms:
        out = console()
        out.print(alarm_table(answer.alarms, time.time(), out.width))
    if answer.total > len(answer.alarms):
        note(f"there are {answer.total - len(answer.alarms)} more: --limit for a longer list")


def _unknown(client: Client, config: str | None) -> int:
    """Alarms of which nothing was ever heard: without them an empty list would say too much."""
    return sum(system.unknown for system in client.summary(config=config).systems)


def _nothing(answer: AlarmList, unknown: int, *, narrowed: bool) -> str:
    if answer.stale:
        return "NOT KNOWN whether there are alarms."
    filtered = " with this filter" if narrowed else ""
    return f"No alarms{filtered}, but nothing is known yet of {unknown:,}." if unknown else f"No alarms{filtered}. The engine is live."
