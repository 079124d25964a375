"""The commands, in the order in which help lists them. Each is loaded when it is asked for: help and completion load none of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand

from alarm_engine.garbage import nothing_collected
from tocsin.cli.metavars import Group, in_words, readable


class Panel(StrEnum):
    """What people come for."""

    OPERATE = "Operate: what is in alarm, and what to do about it"
    PAST = "Look back: what was"
    RUN = "Run: the parts of a site"
    CONFIGURE = "Configure: alarms and dashboards"
    SET_UP = "Set up: settings, users, clusters"


@dataclass(frozen=True, slots=True)
class Entry:
    """A command, or a group of them."""

    name: str
    panel: Panel
    help: str
    """One line of `tocsin --help`: what comes of it, in words that need no other page. At 80 columns it is not broken."""
    module: str
    """Where it stands, below `tocsin.cli`."""
    function: str = ""
    """What carries it out; empty: the module has an `app` with subcommands."""
    more: tuple[str, ...] = ()
    """Modules that add subcommands."""
    spans: bool = False
    """Its arguments are times: `-2h` is one, and not an option."""

    def mount(self, app: typer.Typer) -> None:
        """Load it, and register it."""
        module = import_module(f"tocsin.cli.{self.module}")
        if self.function:
            kind = import_module("tocsin.cli.moments").TimesFirst if self.spans else None
            app.command(self.name, cls=kind, short_help=self.help, rich_help_panel=self.panel)(getattr(module, self.function))
        else:
            group = module.app
            if not group.registered_commands or self.more:
                _add_once(group, self.more)
            app.add_typer(group, name=self.name, short_help=self.help, rich_help_panel=self.panel)
        readable(app)


def _add_once(group: Any, more: tuple[str, ...]) -> None:
    """A group is a global of its module: what was added stays."""
    known = {command.callback for command in group.registered_commands}
    extra = typer.Typer()
    for name in more:
        import_module(f"tocsin.cli.{name}").add_to(extra)
    group.registered_commands += [command for command in extra.registered_commands if command.callback not in known]


ENTRIES: tuple[Entry, ...] = (
    Entry("alarms", Panel.OPERATE, "What is in alarm now: a live table on a terminal.", "look", "alarms"),
    Entry("tree", Panel.OPERATE, "The alarm tree with severities and numbers.", "look_tree", "tree"),
    Entry("summary", Panel.OPERATE, "How many alarms each subsystem has.", "look_tree", "summary"),
    Entry("explain", Panel.OPERATE, "Why is this in alarm, or why not? In words.", "explain", "explain"),
    Entry("ack", Panel.OPERATE, "Acknowledge alarms.", "act", "ack"),
    Entry("unack", Panel.OPERATE, "Take an acknowledgement back.", "act", "unack"),
    Entry("shelve", Panel.OPERATE, "Take alarms out of sight for a time.", "act", "shelve"),
    Entry("unshelve", Panel.OPERATE, "Bring shelved alarms back before their time.", "act", "unshelve"),
    Entry("disable", Panel.OPERATE, "Take alarms out of service.", "act", "disable"),
    Entry("enable", Panel.OPERATE, "Put alarms back into service.", "act", "enable"),
    Entry("events", Panel.PAST, "What happened, and what happens: --follow.", "look_events", "events"),
    Entry("at", Panel.PAST, "The tree as it was at a moment; --diff: what is different.", "at", "at", spans=True),
    Entry(
        "history",
        Panel.PAST,
        "Ask the history store itself; alone: the part that fills it.",
        "history",
        more=("history_events", "history_past", "history_figures", "history_mending", "history_import", "history_restoring"),
    ),
    Entry("demo", Panel.RUN, "A small accelerator with alarms, to try everything on.", "demo", "demo"),
    Entry("run", Panel.RUN, "Everything in one process, for PVs of your own.", "run", "run"),
    Entry("engine", Panel.RUN, "Only evaluate alarms (with Kafka).", "run", "engine"),
    Entry("backend", Panel.RUN, "Only answer browsers, Grafana and scripts (with Kafka).", "run", "backend"),
    Entry("doctor", Panel.RUN, "Look at all that a site needs, and say what is wrong.", "doctor", "doctor"),
    Entry("demo-ioc", Panel.RUN, "Only an IOC of the demo.", "demo", "demo_ioc"),
    Entry("config", Panel.CONFIGURE, "Check the files of an alarm tree, bring them into force.", "config", more=("drift",)),
    Entry("tune", Panel.CONFIGURE, "What other settings would have changed in the past.", "tune", "tune"),
    Entry("dashboards", Panel.CONFIGURE, "Make Grafana dashboards from alarm trees.", "dashboards", more=("dashboards_follow",)),
    Entry("provisioning", Panel.CONFIGURE, "Make Grafana's datasources and alert rules.", "provisioning"),
    Entry("settings", Panel.SET_UP, "Check and show a settings file.", "settings"),
    Entry("auth", Panel.SET_UP, "Make users and tokens.", "auth"),
    Entry("k8s", Panel.SET_UP, "Make manifests for Kubernetes.", "k8s"),
)
_BY_NAME = {entry.name: entry for entry in ENTRIES}


def whole() -> typer.Typer:
    """All commands, loaded: for the generated reference."""
    app = typer.Typer(name="tocsin", rich_markup_mode="markdown")
    app.callback()(lambda: None)
    for entry in ENTRIES:
        entry.mount(app)
    return app


class _WhenAsked(Mapping[str, Any]):
    """The commands by name; one is loaded when it is taken out."""

    def __init__(self) -> None:
        self._loaded: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._loaded:
            app = typer.Typer(rich_markup_mode="markdown", pretty_exceptions_enable=False)
            app.callback()(lambda: None)
            with nothing_collected():  # a fifth of the time of a short command was for that
                _BY_NAME[name].mount(app)
                self._loaded[name] = typer.main.get_group(app).commands[name]
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(_BY_NAME)

    def __len__(self) -> int:
        return len(_BY_NAME)


class Commands(Group):
    """The group of all commands, which can list them without loading any."""

    def __init__(self, **attrs: Any) -> None:
        super().__init__(**attrs)
        self.commands = _WhenAsked()  # type: ignore[assignment]  # nobody adds to it
        self._only_listed = False

    def list_commands(self, ctx: Any) -> list[str]:
        """Their names, in the order of the table."""
        return list(_BY_NAME)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A command; while all are listed, no more than its name and help."""
        entry = _BY_NAME.get(cmd_name)
        if entry is None or not self._only_listed:
            return self.commands.get(cmd_name)
        return TyperCommand(name=entry.name, help=entry.help, rich_help_panel=entry.panel)

    def invoke(self, ctx: Any) -> Any:
        """Carry out a command; what is wrong with an option is said without the words of the library that found it."""
        try:
            return super().invoke(ctx)
        except typer.BadParameter as problem:
            problem.message = in_words(problem.message)
            raise

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """The page of `tocsin --help`."""
        self._only_listed = True
        super().format_help(ctx, formatter)

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """Names that begin so."""
        self._only_listed = True
        return super().shell_complete(ctx, incomplete)
