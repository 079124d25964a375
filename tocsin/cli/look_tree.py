"""`tocsin tree` and `tocsin summary`: the tree with severities and numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text
from rich.tree import Tree as Drawing

from alarm_engine.model.path import split
from tocsin.cli.answering import Form, Printed, say, say_json, say_ndjson, shade, whole_word
from tocsin.cli.fitting import Listed, fitted, places
from tocsin.cli.printing import badge, console, plain
from tocsin.cli.reaching import Reach, reaching
from tocsin.cli.resolving import hinting, resolve
from tocsin.client import Client
from tocsin.client.types import Alarm, AlarmCounts, Node, System, Tree

FIGURES = ("active", "acknowledged", "shelved", "disabled", "disconnected", "unknown")
_NOT_OK = ("active", "acknowledged", "shelved", "disabled", "unknown")
TITLES = {"disabled": "out of service", "unknown": "not known"}
_SHORT = {"acknowledged": "ack", "disabled": "out of\nservice", "disconnected": "discon-\nnected", "unknown": "not\nknown"}
_LEAVING = {"disabled": 2, "shelved": 3, "acknowledged": 4, "unknown": 5, "disconnected": 6}
"""In what order they are left out where a terminal is narrow, after those that are 0."""


@reaching
def tree(
    reach: Reach,
    path: Annotated[
        str | None,
        typer.Argument(metavar="PATH", help="Component to begin with: a path, or a name that is there once.", show_default=False),
    ] = None,
    depth: Annotated[int, typer.Option("--depth", "-d", min=0, max=100, help="Levels of components below it.")] = 2,
    leaves: Annotated[bool, typer.Option("--alarms", "-a", help="With the alarms that are not OK, whatever their depth.")] = False,
    every: Annotated[bool, typer.Option("--all", help="With every alarm, whatever its depth.")] = False,
    form: Printed = Form.TABLE,
) -> int:
    """The alarm tree with the worst severity of each part and how many alarms are in it.

    Components are shown down to `--depth`. Alarms further below stand at the last component that is shown, after the names of those
    between. Objects (json, ndjson) hold components and alarms down to `--depth`, as the REST interface answers.

    Exit code 0, or 3 if the engine is silent and what is shown is old.
    """
    with_alarms, drawn = leaves or every, form is Form.TABLE
    with reach.open() as client, hinting(client, path, reach.config):
        trees = _trees(client, reach.config, path, depth, with_alarms and not drawn)
        found = [_alarms(client, one.root, every=every) if with_alarms and drawn else () for one in trees]
    for one in trees:
        reach.judge(one)
    if form is Form.JSON:
        say_json(trees[0] if len(trees) == 1 else trees)
    elif form is Form.NDJSON:
        say_ndjson(trees)
    else:
        for one, alarms in zip(trees, found, strict=True):
            if drawn:
                console().print(drawing(one.root, alarms))
            else:
                _tabbed(one.root)
    return 0


def _trees(client: Client, config: str | None, path: str | None, depth: int, leaves: bool) -> list[Tree]:
    if path is not None:
        return [client.tree(resolve(client, path, config), depth=depth, leaves=leaves)]
    names = [config] if config is not None else [one.name for one in client.configurations()]
    return [client.tree(config=name, depth=depth, leaves=leaves) for name in names]


def _alarms(client: Client, root: Node, *, every: bool) -> tuple[Alarm, ...]:
    """All below it that are wanted: the tree itself has only those down to its depth."""
    return client.alarms(root.path, state="all" if every else _NOT_OK, sort="path").alarms


def drawing(root: Node, alarms: Iterable[Alarm]) -> Drawing:
    """The tree as it is printed. An alarm stands at its component, or at the last one above that is shown."""
    shown = {split(node.path) for node in _nodes(root)}
    below: dict[tuple[str, ...], list[Alarm]] = {}
    for alarm in alarms:
        at = split(alarm.path)[:-1]
        while at not in shown and len(at) > len(split(root.path)):
            at = at[:-1]
        below.setdefault(at, []).append(alarm)
    return _drawn(root, Drawing(_label(root)), below)


def _nodes(node: Node) -> Iterator[Node]:
    yield node
    for one in node.nodes or ():
        yield from _nodes(one)


def _drawn(node: Node, drawn: Drawing, below: Mapping[tuple[str, ...], Sequence[Alarm]]) -> Drawing:
    for one in node.nodes or ():
        _drawn(one, drawn.add(_label(one)), below)
    place = split(node.path)
    for alarm in below.get(place, ()):
        drawn.add(_leaf(alarm, split(alarm.path)[len(place) : -1]))
    return drawn


def _label(node: Node) -> Text:
    text = Text.assemble((plain(node.name), "bold"), "  ", badge(str(node.severity)))
    return text.append(f"  {_told(node.counts)}", "dim")


def _leaf(alarm: Alarm, between: Sequence[str]) -> Text:
    said = "  ".join(plain(part) for part in (alarm.message, alarm.value, alarm.description) if part)
    names = "".join(f"{plain(name)} › " for name in between)
    return Text.assemble((names, "dim"), plain(alarm.pv), "  ", badge(shade(alarm), whole_word(alarm)), f"  {said}")


def _told(counts: AlarmCounts) -> str:
    """Numbers that are not 0, and how many alarms there are."""
    parts = [f"{number:,} {TITLES.get(name, name)}" for name in FIGURES if (number := getattr(counts, name))]
    return f"{', '.join(parts)} of {counts.total:,}" if parts else f"{counts.total:,} alarm{'' if counts.total == 1 else 's'}"


def _tabbed(node: Node) -> None:
    say("\t".join([plain(node.path), str(node.severity), *(str(getattr(node.counts, name)) for name in FIGURES), str(node.alarms)]))
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
            say("\t".join([plain(one.path), str(one.worst), *(str(getattr(one, name)) for name in FIGURES), str(one.total)]))
    else:
        out = console()
        out.print(systems_table(answer.systems, out.width))
    return 0


def systems_table(systems: Sequence[System], width: int) -> Table:
    """How many alarms subsystems have, in so many cells of a terminal."""
    worst = Listed("worst", [badge(str(one.worst)) for one in systems])
    return fitted([places("system", [one.path for one in systems]), worst, *figures(systems)], width)


def figures(counts: Sequence[AlarmCounts], names: Sequence[str] = FIGURES) -> Iterator[Listed]:
    """Columns with numbers of alarms."""
    for name in names:
        numbers = [f"{getattr(one, name):,}" for one in counts]
        yield Listed(TITLES.get(name, name), numbers, right=True, short=_SHORT.get(name), out=_LEAVING.get(name, 0))
    yield Listed("alarms", [f"{one.total:,}" for one in counts], right=True, out=1)
