"""`tocsin tree` and `tocsin summary`: the tree with severities and numbers."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.text import Text
from rich.tree import Tree as Drawing

from tocsin.cli.answering import Form, Printed, say, say_json, say_ndjson, shade, whole_word
from tocsin.cli.printing import badge, console, plain, table
from tocsin.cli.reaching import Reach, reaching
from tocsin.cli.resolving import hinting, resolve
from tocsin.client import Client
from tocsin.client.types import Alarm, AlarmCounts, Node, State, System, Tree

_FIGURES = ("active", "acknowledged", "shelved", "disabled", "disconnected", "unknown")
_TITLES = {"disabled": "out of service", "unknown": "not known"}


@reaching
def tree(
    reach: Reach,
    path: Annotated[
        str | None,
        typer.Argument(metavar="PATH", help="Component to begin with: a path, or a name that is there once.", show_default=False),
    ] = None,
    depth: Annotated[int, typer.Option("--depth", "-d", min=0, max=100, help="Levels of components below it.")] = 2,
    leaves: Annotated[bool, typer.Option("--alarms", "-a", help="With the alarms that are not OK.")] = False,
    every: Annotated[bool, typer.Option("--all", help="With every alarm.")] = False,
    form: Printed = Form.TABLE,
) -> int:
    """The alarm tree with the worst severity of each part and how many alarms are in it.

    Exit code 0, or 3 if the engine is silent and what is shown is old.
    """
    with reach.open() as client, hinting(client, path, reach.config):
        trees = _trees(client, reach.config, path, depth, leaves or every)
    for one in trees:
        reach.judge(one)
    if form is Form.JSON:
        say_json(trees[0] if len(trees) == 1 else trees)
    elif form is Form.NDJSON:
        say_ndjson(trees)
    else:
        for one in trees:
            _print(one.root, every=every, tabs=form is Form.PLAIN)
    return 0


def _trees(client: Client, config: str | None, path: str | None, depth: int, leaves: bool) -> list[Tree]:
    if path is not None:
        return [client.tree(resolve(client, path, config), depth=depth, leaves=leaves)]
    names = [config] if config is not None else [one.name for one in client.configurations()]
    return [client.tree(config=name, depth=depth, leaves=leaves) for name in names]


def _print(root: Node, *, every: bool, tabs: bool) -> None:
    if tabs:
        _tabbed(root)
        return
    out = console()
    out.print(_drawn(root, Drawing(_label(root)), every=every))


def _drawn(node: Node, drawing: Drawing, *, every: bool) -> Drawing:
    for below in node.nodes or ():
        _drawn(below, drawing.add(_label(below)), every=every)
    for alarm in node.leaves or ():
        if every or alarm.state != State.OK:
            drawing.add(_leaf(alarm))
    return drawing


def _label(node: Node) -> Text:
    text = Text.assemble((plain(node.name), "bold"), "  ", badge(str(node.severity)))
    return text.append(f"  {_told(node.counts)}", "dim")


def _leaf(alarm: Alarm) -> Text:
    said = "  ".join(plain(part) for part in (alarm.message, alarm.value, alarm.description) if part)
    return Text.assemble(plain(alarm.pv), "  ", badge(shade(alarm), whole_word(alarm)), f"  {said}")


def _told(counts: AlarmCounts) -> str:
    """Numbers that are not 0, and how many alarms there are."""
    parts = [f"{number:,} {_TITLES.get(name, name)}" for name in _FIGURES if (number := getattr(counts, name))]
    return f"{', '.join(parts)} of {counts.total:,}" if parts else f"{counts.total:,} alarm{'' if counts.total == 1 else 's'}"


def _tabbed(node: Node) -> None:
    say("\t".join([plain(node.path), str(node.severity), *(str(getattr(node.counts, name)) for name in _FIGURES), str(node.alarms)]))
    for below in node.nodes or ():
        _tabbed(below)


@reaching
def summary(reach: Reach, form: Printed = Form.TABLE) -> int:
    """How many alarms each subsystem has, and how bad the worst one is.

    Exit code 0, or 3 if the engine is silent and what is shown is old.
    """
    with reach.open() as client:
        answer = client.summary(config=reach.config)
    reach.judge(answer)
    if form is Form.JSON:
        say_json(answer)
    elif form is Form.NDJSON:
        say_ndjson(answer.systems)
    elif form is Form.PLAIN:
        for one in answer.systems:
            say("\t".join([plain(one.path), str(one.worst), *(str(getattr(one, name)) for name in _FIGURES), str(one.total)]))
    else:
        console().print(_systems(answer.systems))
    return 0


def _systems(systems: tuple[System, ...]) -> Any:
    rows = table("system", "worst", *(_TITLES.get(name, name) for name in _FIGURES), "alarms")
    for column in rows.columns[2:]:
        column.justify = "right"
    for one in systems:
        figures = (f"{getattr(one, name):,}" for name in _FIGURES)
        rows.add_row(plain(one.path), badge(str(one.worst)), *figures, f"{one.total:,}")
    return rows
