"""`tocsin at`: the tree as it was at a moment, and what is not as it was."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.table import Table

from tocsin.cli.alarm_lines import alarm_table
from tocsin.cli.answering import Form, Printed, as_object, say, say_json, say_ndjson, tabbed
from tocsin.cli.fitting import Listed, fitted, places
from tocsin.cli.look_tree import figures
from tocsin.cli.moments import WRITTEN, read_moment
from tocsin.cli.printing import badge, console, local, note, plain, span
from tocsin.cli.reaching import Reach, reaching
from tocsin.cli.resolving import resolve
from tocsin.client import Client
from tocsin.client.errors import NotFound
from tocsin.client.types import Difference, DifferentAlarm, Moment, Node, PastAlarms, PastTree, State, Then

INCOMPLETE = 3
"""Exit code: not all is known of the moment, so that what is not shown may have been."""
_STOOD = ("active", "acknowledged", "shelved", "disabled")
_EVERY = (*_STOOD, "ok", "unknown")
_HIDDEN = {State.SHELVED: "shelved", State.DISABLED: "out of service"}


@reaching
def at(  # noqa: PLR0913, PLR0917 - each is an option
    reach: Reach,
    time: Annotated[str, typer.Argument(metavar="TIME", help=f"The moment: {WRITTEN}.", show_default=False)],
    path: Annotated[
        str | None,
        typer.Argument(
            metavar="PATH",
            help="Only this alarm, or what was below this component: a path, or a name that is there once.",
            show_default=False,
        ),
    ] = None,
    diff: Annotated[
        str | None,
        typer.Option("--diff", metavar="TIME", help="Only what differs between the two moments: `--diff now`.", show_default=False),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Also alarms that were OK.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="Alarms at most.")] = 1000,
    form: Printed = Form.TABLE,
) -> int:
    """The tree as it was: its parts, and the alarms that stood or were hidden, worst first. Times without a zone are those of this machine.

    Exit code 3 if not all is known of that moment: an alarm that is not shown may then have been there. With `--diff`, 1 if nothing
    differs.
    """
    moment = read_moment(time, "'TIME'")
    other = None if diff is None else read_moment(diff, "'--diff'")
    if other == moment:
        raise typer.BadParameter("is the same moment", param_hint="'--diff'")
    with reach.open() as client:
        chosen = None if path is None else resolve(client, path, reach.config)
        if other is not None:
            return _differing(client.difference(min(moment, other), max(moment, other), chosen, config=reach.config, limit=limit), form)
        states = _EVERY if every else _STOOD
        alarms = client.alarms_at(moment, chosen, config=reach.config, state=states, limit=limit)
        tree = _tree(client, reach, moment, chosen)
    if form is Form.JSON:
        say_json({**as_object(alarms), "root": None if tree is None else as_object(tree.root)})
    elif form is Form.NDJSON:
        say_ndjson(alarms.alarms)
    elif form is Form.PLAIN:
        for alarm in alarms.alarms:
            say(tabbed(alarm))
    else:
        _print(alarms, tree, chosen)
    if alarms.total > len(alarms.alarms):
        note(f"there are {alarms.total - len(alarms.alarms)} more: --limit for a longer list")
    return _judge(alarms)


def _tree(client: Client, reach: Reach, moment: datetime, path: str | None) -> PastTree | None:
    """Components, with one level below; None for an alarm, and for what was not there."""
    try:
        return client.at(moment, path, config=reach.config)
    except NotFound:
        return None


def _print(alarms: PastAlarms, tree: PastTree | None, path: str | None) -> None:
    out = console()
    what = tree.root.path if tree is not None else path or "the tree"
    out.print(f"{plain(what)} at {when(alarms)}", style="bold")
    if tree is not None and tree.root.counts.total:
        out.print(parts_table(tree.root, out.width))
    if alarms.alarms:
        out.print(alarm_table(alarms.alarms, alarms.at.timestamp(), out.width))
    else:
        out.print("No alarm stood." if alarms.complete else "NOT KNOWN whether an alarm stood.")


def when(moment: Moment) -> str:
    """A moment in local time, and how long ago it was."""
    local = moment.at.astimezone()
    ago = (datetime.now().astimezone() - local).total_seconds()
    return f"{local:%Y-%m-%d %H:%M:%S %Z} ({span(ago)} ago)" if ago >= 1 else f"{local:%Y-%m-%d %H:%M:%S %Z} (now)"


def parts_table(root: Node, width: int) -> Table:
    """A component and those below it, in so many cells of a terminal."""
    nodes = (root, *(root.nodes or ()))
    severities = Listed("severity", [badge(str(node.severity)) for node in nodes])
    numbers = figures([node.counts for node in nodes], _STOOD)
    return fitted([places("component", [node.path for node in nodes]), severities, *numbers], width)


def _differing(found: Difference, form: Form) -> int:
    if form is Form.JSON:
        say_json(found)
    elif form is Form.NDJSON:
        say_ndjson(found.changes)
    elif form is Form.PLAIN:
        for change in found.changes:
            say("\t".join((str(change.change), _named(change.before), _named(change.after), plain(change.path))))
    else:
        _print_changes(found)
    if found.cut:
        note(f"there are {found.total - len(found.changes)} more: --limit for a longer list")
    return _judge(found.before, found.after) or (0 if found.changes else 1)


def _print_changes(found: Difference) -> None:
    out = console()
    out.print(f"From {when(found.before)} to {when(found.after)}", style="bold")
    if not found.changes:
        known = found.before.complete and found.after.complete
        out.print("No alarm differs. What came and went in between is not in this." if known else "NOT KNOWN whether an alarm differs.")
        return
    out.print(changes_table(found.changes, out.width))


def changes_table(changes: Sequence[DifferentAlarm], width: int) -> Table:
    """What differs, in so many cells of a terminal."""
    last = [change.after or change.before for change in changes]
    columns = (
        Listed("change", [str(change.change) for change in changes]),
        Listed("before", [_badge(change.before) for change in changes]),
        Listed("after", [_badge(change.after) for change in changes]),
        Listed("PV", [plain(change.pv) for change in changes]),
        Listed("since", [local(then.time if then else None) for then in last], out=2),
        places("path", [change.path for change in changes], out=1),
    )
    return fitted(columns, width)


def _badge(then: Then | None) -> Any:
    if then is None:
        return "–"
    hidden = _HIDDEN.get(then.state)
    return badge("SHELVED", hidden) if hidden else badge(str(then.severity))


def _named(then: Then | None) -> str:
    return "" if then is None else _HIDDEN.get(then.state) or str(then.severity)


def _judge(*moments: Moment) -> int:
    """Say loudly what is not known; the exit code."""
    doubtful = [one for one in moments if not one.complete]
    for one in doubtful:
        said = f"NOT COMPLETE at {one.at.astimezone():%Y-%m-%d %H:%M:%S %Z}: {plain(one.remark)}"
        console(stderr=True).print(f"{said}. Do not read silence as calm.", style="bold reverse", soft_wrap=True)
    return INCOMPLETE if doubtful else 0
