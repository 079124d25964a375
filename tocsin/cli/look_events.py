"""`tocsin events`: what happened, and what happens."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

import typer

from alarm_engine.model.state import EventId
from tocsin.cli.answering import Form, Printed, say, say_json, say_ndjson
from tocsin.cli.event_lines import EventLine, event_table, spoken, tabbed
from tocsin.cli.moments import WRITTEN, read_moment
from tocsin.cli.printing import console, hidden_word, local, note, plain
from tocsin.cli.reaching import Reach, reaching
from tocsin.cli.resolving import expression, hinting, resolve
from tocsin.client import Client
from tocsin.client.types import Change, Event, EventKind, Fresh, Severity, Snapshot, Stale

_SHOWN = 50
_KINDS = ", ".join(EventKind)


@reaching
def events(  # noqa: PLR0913, PLR0917 - each is an option
    reach: Reach,
    path: Annotated[
        str | None,
        typer.Argument(
            metavar="PATH",
            help="Only this alarm, or what is below this component: a path, or a name that is there once.",
            show_default=False,
        ),
    ] = None,
    since: Annotated[str | None, typer.Option("--since", help=f"From this time on: {WRITTEN}.", show_default="1d")] = None,
    until: Annotated[str | None, typer.Option("--until", help="Before this time.", show_default="now")] = None,
    pv: Annotated[str | None, typer.Option("--pv", help="Name of the PV, with * and ? as wild cards.", show_default=False)] = None,
    severity: Annotated[
        list[str] | None,
        typer.Option("--severity", metavar="SEVERITY", help="After the event; repeatable; MAJOR includes MAJOR_ACK.", show_default=False),
    ] = None,
    kind: Annotated[
        list[str] | None, typer.Option("--kind", metavar="KIND", help=f"What happened; repeatable: {_KINDS}.", show_default=False)
    ] = None,
    user: Annotated[str | None, typer.Option("--user", help="Who gave the command.", show_default=False)] = None,
    text: Annotated[
        str | None, typer.Option("--text", "-q", help="Part of path, description, message or comment, in any case.", show_default=False)
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit", "-n", metavar="NUMBER", min=1, help=f"The newest so many; if not given: {_SHOWN} of a table.", show_default=False
        ),
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what happens, until Ctrl-C.")] = False,
    form: Printed = Form.TABLE,
) -> int:
    """What happened, oldest first, and with --follow what happens. Exit code 1 if nothing was found.

    It asks the running system. `tocsin history events` reads the history store itself, without a backend, and writes files of any length.
    """
    wanted = _Wanted(pv, frozenset(_severities(severity)), frozenset(_kinds(kind)), user, (text or "").lower())
    start, end = _range(since, until, follow=follow)
    most = limit or (_SHOWN if form is Form.TABLE else None)
    with reach.open() as client, hinting(client, path, reach.config):
        place = None if path is None else resolve(client, path, reach.config)
        newest = next(iter(client.events(place, config=reach.config, limit=1)), None) if follow else None
        pages = client.events(
            place,
            config=reach.config,
            start=start,
            end=end,
            pv=pv,
            severity=wanted.severities,
            kind=wanted.kinds,
            user=user,
            text=text,
            limit=None if most is None else most + 1,
        )
        found = list(pages)
        more, found = most is not None and len(found) > most, found[:most]
        found.reverse()
        _print(found, form, lines=follow)
        if more:
            note(f"there are older ones: --limit for more than {most}, --since and --until for another range")
        if pages.remark:
            note(f"not complete: {plain(pages.remark)}")
        if follow:
            _follow(reach, client, place, (newest, found), wanted, form)
    if not found:
        note("nothing was found" + ("" if since else " in the last day: --since 7d looks further back"))
    return 0 if found else 1


def _range(since: str | None, until: str | None, *, follow: bool) -> tuple[datetime, datetime | None]:
    if follow and until is not None:
        raise typer.BadParameter("does not go with --follow, which has no end", param_hint="'--until'")
    end = None if until is None else read_moment(until, "'--until'", past=False)
    start = read_moment(since, "'--since'") if since is not None else (end or datetime.now().astimezone()) - timedelta(days=1)
    if end is not None and start >= end:
        raise typer.BadParameter(f"{start:%Y-%m-%d %H:%M:%S} is not before {end:%Y-%m-%d %H:%M:%S}", param_hint="'--since'")
    return start, end


def _split(names: Iterable[str] | None) -> Iterator[str]:
    """Words that were given one by one, or with commas between them as in the REST interface."""
    for text in names or ():
        yield from filter(None, (name.strip() for name in text.split(",")))


def _severities(names: Iterable[str] | None) -> Iterator[Severity]:
    for name in _split(names):
        severity = Severity(name.upper())
        if not severity.is_known:
            raise typer.BadParameter(f"{name!r} is none of {', '.join(Severity)}", param_hint="'--severity'")
        yield severity


def _kinds(names: Iterable[str] | None) -> Iterator[EventKind]:
    for name in _split(names):
        kind = EventKind(name.lower())
        if not kind.is_known:
            raise typer.BadParameter(f"{name!r} is none of {_KINDS}", param_hint="'--kind'")
        yield kind


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What passes, of what happens: as the server chooses from what happened."""

    pv: str | None
    severities: frozenset[Severity]
    kinds: frozenset[EventKind]
    user: str | None
    text: str

    def passes(self, event: Event) -> bool:
        if self.pv is not None and not expression(self.pv).fullmatch(event.pv):
            return False
        if self.severities and not {event.to_severity, Severity(str(event.to_severity).removesuffix("_ACK"))} & self.severities:
            return False
        if (self.kinds and event.kind not in self.kinds) or (self.user is not None and event.user != self.user):
            return False
        message = event.state.message if event.state else event.reason
        return self.text in f"{event.path}\n{event.description}\n{message}\n{event.comment}".lower()


def _follow(reach: Reach, client: Client, path: str | None, known: tuple[Event | None, list[Event]], wanted: _Wanted, form: Form) -> None:
    newest, printed = known
    last = EventId.parse(printed[-1].id) if printed else None
    with client.subscribe(path, config=reach.config, after=newest.id if newest else None) as updates:
        for update in updates:
            if isinstance(update, Change):
                if (last is None or EventId.parse(update.event.id) > last) and wanted.passes(update.event):
                    _print([update.event], form, lines=True)
            elif isinstance(update, Stale):
                note(f"STALE since {update.since.astimezone():%H:%M:%S}: {plain(update.why)}")
            elif isinstance(update, Fresh):
                note("LIVE")
            elif isinstance(update, Snapshot) and update.gap:
                note(f"events may be missing here: {plain(update.gap)}")


def _print(found: list[Event], form: Form, *, lines: bool) -> None:
    if form is Form.JSON and not lines:
        say_json(found)
    elif form in (Form.JSON, Form.NDJSON):
        say_ndjson(found)
    elif form is Form.PLAIN:
        for event in found:
            say(tabbed(_line(event, event.time.isoformat())))
    elif lines:
        for event in found:
            console().print(spoken(_line(event, local(event.time))), soft_wrap=True)
    elif found:
        out = console()
        out.print(event_table([_line(event, local(event.time)) for event in found], f"{datetime.now().astimezone():%Z}", out.width))
    sys.stdout.flush()


def _line(event: Event, time: str) -> EventLine:
    state = event.state
    hidden = state.suppression if state is not None else None
    return EventLine(
        time=time,
        id=event.id,
        kind=str(event.kind),
        severity="" if state is None else hidden_word(for_good=hidden.until is None) if hidden is not None else str(event.to_severity),
        path=event.path,
        message=state.message if state else event.reason,
        value=(state.current.value if state.current else state.value) if state else "",
        user=event.user,
        comment=event.comment,
    )
