"""`tocsin config diff`, `sync` and `export`: the files of an alarm tree and what is in force."""

from __future__ import annotations

import asyncio
import getpass
import os
import random
import socket
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import structlog
import typer
from rich.console import Console

from alarm_engine.config.diff import ChangeKind, diff
from alarm_engine.config.in_force import in_force
from alarm_engine.config.load import read_tree
from alarm_engine.config.plan import SyncPlan, plan
from alarm_engine.config.sync import Author, Synchroniser, Wanted, Writer
from alarm_engine.config.tree import ConfigTree, arrange
from alarm_engine.config.write import date, to_yaml
from alarm_engine.errors import JournalDenied, JournalFenced, JournalUnavailable, SettingsError
from alarm_engine.model.settings import AlarmSettings, NodeSettings, Settings
from alarm_engine.model.times import Nanos
from tocsin import logs
from tocsin.commits import find_commit
from tocsin.grafana_files import write_grafana_files
from tocsin.journals import revision_writer, visiting
from tocsin.serving import serve
from tocsin.settings import Settings as SiteSettings
from tocsin.settings import load
from tocsin.trees import refuse_another_name

_PAUSE_S = 2.0
_TIMES = 3
"""So often another sync may shut this one out."""
_PATIENCE_S = 30.0
"""So long the journal may be away in the middle: a broker that is started again takes less."""
_THEN = (
    "A tree comes into force as a whole or not at all; `tocsin config diff` says which."
    " Run the same again when the journal answers: it does what is left."
)

SettingsFile = Annotated[Path, typer.Option("--settings", "-s", help="Settings file of the site.", show_default=False)]


def add_to(app: typer.Typer) -> None:
    """Mount the commands beside those that only need the files."""
    app.command("diff")(show_difference)
    app.command("sync")(bring_into_force)
    app.command("export")(export)


def show_difference(settings: SettingsFile) -> None:
    """Say what a sync would write, by field. Exit code 1 if there is a difference, for pipelines.

    `+` is added, `-` removed, `~` edited; `?` is only in force and was never in the files (an edit by CS-Studio): a sync leaves it alone.
    """
    site = load(settings)
    different = False
    for tree in _with_files(site, settings):
        topic, _, difference = asyncio.run(_compare(site, tree))
        _print(tree, topic, difference)
        different |= bool(difference.write or difference.removed or difference.ids)
    raise typer.Exit(1 if different else 0)


def bring_into_force(
    settings: SettingsFile,
    watch: Annotated[bool, typer.Option("--watch", help="Keep running: follow the files, and wait for the webhook of git-sync.")] = False,
    health_port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="With --watch: port of /sync, /status and /metrics, instead of the one in the settings."),
    ] = None,
    overwrite: Annotated[
        bool | None,
        typer.Option("--overwrite/--keep", help="What other clients edited: put back what the files say, or leave it (`sync.edits`)."),
    ] = None,
) -> None:
    """Bring the files into force by difference, as one revision, also beside running engines. What operators shelved stays so.

    An alarm whose PV goes on at another path keeps its state. Files with errors are refused as a whole. A journal in Kafka that goes away
    in the middle is waited for, half a minute. With `dashboards.out` in the settings the dashboards of Grafana are made again.
    """
    site = load(settings)
    if overwrite is not None:
        chosen = site.sync.model_copy(update={"edits": "overwrite" if overwrite else "keep"})
        site = site.model_copy(update={"sync": chosen})
    if watch:
        _watch(site, health_port)
        return
    trees = list(_with_files(site, settings))
    for tree in trees:
        topic, difference = asyncio.run(_sync(site, tree))
        _print(tree, topic, difference)
    write_grafana_files(site.dashboards, trees, f"http://{site.backend.host}:{site.backend.port}")


def _watch(site: SiteSettings, health_port: int | None) -> None:
    from tocsin.cli.run import with_health
    from tocsin.syncing import SyncService  # a web server: only this command needs it

    site = with_health(site, health_port)
    logs.set_up(site.log.level, site.log.form)
    say = Console().print if logs.is_readable(site.log.form) else structlog.get_logger().info

    def tell(service: SyncService) -> None:
        where = f" It listens for git-sync at {service.url}/sync" if service.url else ""
        say(f"tocsin config sync is watching the files.{where}")

    asyncio.run(serve(SyncService(site), tell))


def export(
    settings: SettingsFile,
    config: Annotated[str | None, typer.Option("--config", help="Name of the configuration, where there are several.")] = None,
) -> None:
    """Print what is in force as a tree file, with what operators shelved. Comments, templates and includes of the files are not in it."""
    site = load(settings)
    trees = {tree.name: tree for tree in [*_trees(site), *_without_files(site)]}
    if config is None and len(trees) > 1:
        raise SettingsError(f"{settings} has several configurations: say which with --config, one of {', '.join(trees)}")
    name = config or next(iter(trees))
    if name not in trees:
        raise SettingsError(f"{settings} has no configuration {name!r}, only {', '.join(trees)}")
    topic, ids, _ = asyncio.run(_compare(site, trees[name]))
    if not topic:
        raise SettingsError(f"nothing is in force for {name}: the journal has no record of it; `tocsin config sync` writes the first")
    typer.echo(to_yaml(_as_tree(trees[name], topic, ids)), nl=False)


def _trees(site: SiteSettings) -> list[ConfigTree]:
    trees: list[ConfigTree] = []
    for one in site.configurations:
        if one.tree is None:
            continue
        tree = read_tree(one.tree)
        refuse_another_name(one, tree)
        trees.append(replace(tree, time_zone=one.time_zone) if one.time_zone else tree)
    return trees


def _with_files(site: SiteSettings, file: Path) -> list[ConfigTree]:
    trees = _trees(site)
    if not trees:
        raise SettingsError(f"{file}: no configuration has a `tree`: there is no file to compare with what is in force")
    return trees


def _without_files(site: SiteSettings) -> list[ConfigTree]:
    """Configurations of which only the name is known, as empty trees: those of which a first file may be wanted."""
    named = [(one.name, one.time_zone or "UTC") for one in site.configurations if one.tree is None and one.name is not None]
    return [arrange(name, zone, {}, {}) for name, zone in named]


async def _compare(site: SiteSettings, tree: ConfigTree) -> tuple[dict[str, Settings], dict[str, str], SyncPlan]:
    """What is in force: settings and identities by path; and what the files would change."""
    if site.journal == "sqlite" and not site.store.exists():
        return {}, {}, plan(tree, {}, {})
    async with visiting(site) as journal:
        current = await in_force(journal, tree.name, ZoneInfo(tree.time_zone))
        difference = plan(tree, current.topic, current.synced, keep=site.sync.edits == "keep", ids=current.ids)
        return current.topic, current.ids, difference


async def _sync(site: SiteSettings, tree: ConfigTree) -> tuple[dict[str, Settings], SyncPlan]:
    async with visiting(site, writing=True) as journal:
        synchroniser = Synchroniser(tree.name, ZoneInfo(tree.time_zone), journal)
        try:
            await synchroniser.start()
            before = dict(synchroniser.in_force.topic)
            commit = await asyncio.to_thread(find_commit, _file_of(site, tree), site.sync.commit)
            wanted = Wanted(tree, Author(_user(), socket.gethostname()), commit, keep=site.sync.edits == "keep")
            patience_s = _PATIENCE_S if site.journal == "kafka" else 0.0  # the writer of a file has waited for its lock already
            return before, await bring_patiently(synchroniser, wanted, revision_writer(site, journal, tree.name), patience_s)
        finally:
            await synchroniser.close()


async def bring_patiently(synchroniser: Synchroniser, wanted: Wanted, writer: Writer, patience_s: float) -> SyncPlan:
    """Once more after another sync has written: what is left to do, in the view of these files, is done then. And after an outage."""
    times, away_since = 1, None
    while True:
        try:
            return await synchroniser.bring(wanted, writer)
        except JournalFenced:
            if times == _TIMES:
                raise
            times += 1
        except JournalDenied:
            raise
        except JournalUnavailable as problem:
            now = time.monotonic()
            if away_since is None:
                away_since = now
                if patience_s:
                    _say(f"{problem}. It is tried again for {patience_s:.0f} s, with what is left to do.")
            if now - away_since >= patience_s:
                raise JournalUnavailable(f"{problem}. {_THEN}") from problem
        await asyncio.sleep(_PAUSE_S * random.random())


def _say(text: str) -> None:
    Console(stderr=True, highlight=False, soft_wrap=True).print(text, markup=False)


def _file_of(site: SiteSettings, tree: ConfigTree) -> Path:
    return Path(tree.places[tree.root].file) if tree.root in tree.places else site.store


def _user() -> str:
    """Who does it. In a container that may be a number without a name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def _as_tree(tree: ConfigTree, settings: dict[str, Settings], ids: dict[str, str] | None = None) -> ConfigTree:
    nodes = {path: value for path, value in settings.items() if isinstance(value, NodeSettings)}
    alarms = {path: value for path, value in settings.items() if isinstance(value, AlarmSettings)}
    return arrange(tree.name, tree.time_zone, nodes, alarms, ids={path: one for path, one in (ids or {}).items() if path in nodes})


def _print(tree: ConfigTree, topic: dict[str, Settings], difference: SyncPlan) -> None:
    console = Console(soft_wrap=True, highlight=False, emoji=False, markup=False)
    zone = ZoneInfo(tree.time_zone)
    after = {path: value for path, value in topic.items() if path not in difference.removed} | difference.write
    for change in diff(_as_tree(tree, topic), _as_tree(tree, after)):
        if change.kind is ChangeKind.EDITED:
            console.print(f"~ {change.path}", style="yellow")
            for field in change.fields:
                console.print(f"    {field.field}: {_shown(field.old, zone)} -> {_shown(field.new, zone)}")
        else:
            sign, style = ("+", "green") if change.kind is ChangeKind.ADDED else ("-", "red")
            console.print(f"{sign} {change.path}", style=style)
    for path, identity in difference.ids.items():
        console.print(f"~ {path}: " + ("no id any more" if identity is None else f"id {identity}"), style="yellow")
    for old, new in difference.moved.items():
        console.print(f"> {old} is now {new}: its state goes with it", style="cyan")
    for path in difference.drifted:
        if path not in difference.write:
            console.print(f"! {path}: edited or deleted by another client; kept until the files change there", style="magenta")
    for path in difference.foreign:
        console.print(f"? {path}: only in force, not in the files; left alone", style="magenta")
    added, edited, removed = len(difference.added), len(difference.edited), len(difference.removed)
    console.print(f"{tree.name}: {added} added, {edited} edited, {removed} removed, {len(difference.foreign)} only in force")


def _shown(value: object, zone: ZoneInfo) -> str:
    if isinstance(value, tuple):
        return f"{len(value)} entries" if len(value) != 1 else "1 entry"
    if isinstance(value, int) and value > 10**15:
        return str(date(Nanos(value), zone))
    return repr(value) if isinstance(value, str) else str(value)
