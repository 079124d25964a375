"""`tocsin config`: questions about the files of an alarm tree, answered offline."""

from __future__ import annotations

import time
from collections import Counter
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from alarm_engine.config.fault import Fault, FaultSeverity, printable, suggestion
from alarm_engine.config.load import LoadResult, load_tree
from alarm_engine.config.schema import json_schema
from alarm_engine.config.tree import ConfigTree, below
from alarm_engine.config.unsupported import unsupported
from alarm_engine.config.values import time_zone
from alarm_engine.config.write import date, to_yaml
from alarm_engine.model import path as paths
from alarm_engine.model.settings import AlarmSettings
from alarm_engine.model.times import Nanos

app = typer.Typer(name="config", help="Check the files of an alarm tree, and bring them into force.", no_args_is_help=True)

_STYLES = {FaultSeverity.ERROR: "bold red", FaultSeverity.WARNING: "yellow"}

TreePath = Annotated[Path, typer.Argument(metavar="PATH", help="First file of the tree, or a directory with a tree.yaml.")]


class Form(StrEnum):
    """How a tree is printed."""

    YAML = "yaml"
    JSON = "json"
    TREE = "tree"


@app.command()
def check(
    path: TreePath,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, for pipelines.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings count as errors.")] = False,
) -> None:
    """Report everything that is wrong with a tree. Exit code 1 if there are errors, 0 with warnings only."""
    result = load_tree(path, now=Nanos(time.time_ns()))
    failed = bool(result.errors or (strict and result.warnings))
    if as_json:
        typer.echo(orjson.dumps(_report(result, failed), option=orjson.OPT_INDENT_2))
    else:
        console = _console()
        for note in unsupported(result.tree) if result.tree else ():
            console.print(f"note: {note}")
        for fault in result.faults:
            console.print(_line(fault))
        console.print(_summary(result))
    raise typer.Exit(1 if failed else 0)


@app.command()
def show(
    path: TreePath,
    form: Annotated[
        Form, typer.Option("--format", help="yaml loads back to the same tree; json is for scripts; tree is for people.")
    ] = Form.YAML,
    only_below: Annotated[
        str | None, typer.Option("--below", metavar="PATH", help="Only what is at and below this path: /Demo/Vacuum.")
    ] = None,
) -> None:
    """Print a tree with includes, templates and defaults worked in. Exit code 1, and nothing printed, if it has errors."""
    result = load_tree(path)
    if result.tree is None or result.errors:
        console = _console(stderr=True)
        for fault in result.errors:
            console.print(_line(fault))
        console.print(_summary(result))
        raise typer.Exit(1)
    tree = result.tree if only_below is None else _below(result.tree, only_below)
    if form is Form.YAML:
        typer.echo(to_yaml(tree), nl=False)
    elif form is Form.JSON:
        typer.echo(orjson.dumps(as_json_object(tree), option=orjson.OPT_INDENT_2))
    else:
        # On a terminal long labels wrap below themselves; in a file a line stays a line.
        drawing = Console(highlight=False, emoji=False, markup=False)
        drawing.print(_drawing(tree), width=None if drawing.is_terminal else 1000)


@app.command()
def schema() -> None:
    """Print the JSON schema of tree files, for editors."""
    typer.echo(orjson.dumps(json_schema(), option=orjson.OPT_INDENT_2))


def as_json_object(tree: ConfigTree) -> dict[str, Any]:
    """The resolved tree for scripts: all fields of every alarm, dates as in the files, where each stands."""
    zone = time_zone(tree.time_zone)

    def alarm(path: str, settings: AlarmSettings) -> dict[str, Any]:
        enabled = settings.enabled if settings.enabled_at is None else date(settings.enabled_at, zone)
        fields = {name: getattr(settings, name) for name in settings.__dataclass_fields__ if name not in ("enabled", "enabled_at")}
        return {"pv": paths.name(path), "enabled": enabled, **fields, **place(path)}

    def place(path: str) -> dict[str, Any]:
        found = tree.places.get(path)
        return {"file": found.file, "line": found.line, "used_at": found.used_at} if found else {}

    nodes = {
        path: {name: getattr(settings, name) for name in settings.__dataclass_fields__} | place(path)
        for path, settings in tree.nodes.items()
    }
    alarms = {path: alarm(path, settings) for path, settings in tree.alarms.items()}
    return {"config": tree.name, "time_zone": tree.time_zone, "components": nodes, "alarms": alarms}


def _console(stderr: bool = False) -> Console:
    # soft_wrap: a line stays a line, so that grep and editors can read it.
    return Console(stderr=stderr, soft_wrap=True, highlight=False, emoji=False, markup=False)


def _line(fault: Fault) -> Text:
    style = _STYLES[fault.severity]
    text = Text.assemble((fault.severity.value, style), " ", (printable(fault.place), "bold"))
    for part in (fault.spot.path, fault.spot.field):
        if part:
            text.append(": ").append(printable(part), "cyan")
    text.append(": ").append(printable(fault.message))
    if fault.spot.used_at:
        text.append(printable(f" (used at {fault.spot.used_at})"), "dim")
    return text


def _counted(number: int, word: str) -> str:
    return f"{number:,} {word}" + ("" if number == 1 else "s")


def _summary(result: LoadResult) -> Text:
    errors, warnings = len(result.errors), len(result.warnings)
    files = _counted(len(result.files), "file")
    if result.tree is None:
        text = Text(f"no tree could be made from {files}: ")
    else:
        what = f"{_counted(len(result.tree.alarms), 'alarm')} in {_counted(len(result.tree.nodes), 'component')}"
        text = Text(f"{result.tree.name}: {what} from {files}: ")
    if not errors and not warnings:
        return text.append("no faults", "bold green")
    if errors:
        text.append(_counted(errors, "error"), _STYLES[FaultSeverity.ERROR])
    if warnings:
        text.append(", " if errors else "").append(_counted(warnings, "warning"), _STYLES[FaultSeverity.WARNING])
    return text


def _report(result: LoadResult, failed: bool) -> dict[str, Any]:
    tree = result.tree
    return {
        "ok": not failed,
        "config": tree.name if tree else None,
        "alarms": len(tree.alarms) if tree else 0,
        "components": len(tree.nodes) if tree else 0,
        "files": result.files,
        "errors": len(result.errors),
        "warnings": len(result.warnings),
        "faults": [fault.as_json() for fault in result.faults],
        "left_out": result.left_out,
    }


def _below(tree: ConfigTree, path: str) -> ConfigTree:
    try:
        return below(tree, path)
    except KeyError as problem:
        # A typing error, or the name of a component or PV alone.
        known = [*tree.nodes, *tree.alarms]
        named = [p for p in known if paths.name(p) == path.strip("/")]
        hint = f"; did you mean {named[0]}?" if named else suggestion(path, known if len(known) < 10_000 else tree.nodes)
        _console(stderr=True).print(f"{printable(path)}: no such path in the tree{hint}")
        raise typer.Exit(1) from problem


def _drawing(tree: ConfigTree) -> Tree:
    """Components with the number of alarms below them, and the alarms with what is not as by default."""
    below_each: Counter[str] = Counter()
    for path in tree.alarms:
        below_each.update(paths.ancestors(path))
    zone = time_zone(tree.time_zone)
    branches: dict[str, Tree] = {}
    for path in tree.nodes:
        label = Text.assemble((paths.name(path), "bold"), (f"  {_counted(below_each[path], 'alarm')}", "dim"))
        parent = branches.get(paths.parent(path))
        branches[path] = parent.add(label) if parent else Tree(label)
    for path, settings in tree.alarms.items():
        label = Text.assemble((paths.name(path), "cyan"), "  ", printable(settings.description))
        if notes := _notes(settings, zone):
            label.append(f"  ({notes})", "dim")
        branches[paths.parent(path)].add(label)
    return branches[tree.root]


def _notes(settings: AlarmSettings, zone: Any) -> str:
    notes = [
        ""
        if settings.enabled
        else "out of service"
        if settings.enabled_at is None
        else f"out of service until {date(settings.enabled_at, zone)}",
        "" if settings.latching else "not latching",
        "" if settings.annunciating else "silent",
        f"delay {settings.delay_s} s" if settings.delay_s else "",
        f"count {settings.count}" if settings.count else "",
        f"filter {settings.filter}" if settings.filter else "",
    ]
    return printable(", ".join(note for note in notes if note))
