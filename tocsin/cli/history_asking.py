"""What the commands that ask the history share: options and ranges."""

from __future__ import annotations

import re
import time
from enum import StrEnum
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from alarm_engine.errors import SettingsError
from alarm_engine.model.path import canonical, is_path, split
from alarm_engine.model.severity import BY_NAME, Severity
from alarm_engine.model.times import Nanos, iso
from backend.api.lookup import moment
from backend.history.matching import MAX_RANGE_NS
from backend.history.port import MAX_RANGE_DAYS
from tocsin.settings import Settings
from tocsin.trees import chosen_configurations

_SPAN = re.compile(r"-\d+(\.\d+)?(ms|s|m|h|d|w)")
_AHEAD_NS = 3600 * 1_000_000_000
"""The clock of an engine may be ahead of ours."""


class TimesFirst(TyperCommand):
    """A command with a time as its argument: `-2h` is a span there too, and not an option."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Spell a span as what is surely none."""
        return super().parse_args(ctx, [f"now{arg}" if _SPAN.fullmatch(arg) else arg for arg in args])


class Form(StrEnum):
    """How an answer is printed."""

    TABLE = "table"
    JSON = "json"


Config = Annotated[
    str | None, typer.Option(help="Name of the configuration, where there are several and no path says which.", show_default=False)
]
Below = Annotated[
    str | None, typer.Option("--path", help="This alarm, or everything below this component: /CONFIG/SYSTEM/...", show_default=False)
]
Start = Annotated[str | None, typer.Option(help="From this time on: ISO 8601 with zone, or a span from now like -1h.", show_default=False)]
End = Annotated[str | None, typer.Option(help="Before this time; now if not given.", show_default=False)]
Printed = Annotated[Form, typer.Option("--format", help="json is for scripts: what the REST interface answers.")]


def read_path(text: str | None, hint: str = "'--path'") -> str | None:
    """A path, canonical."""
    if text is None:
        return None
    if not is_path(text) or not split(text):
        raise typer.BadParameter(f"{text!r} must begin with a slash, as /CONFIG/SYSTEM/...", param_hint=hint)
    return canonical(text)


def read_moment(text: str, hint: str, *, past: bool = True) -> Nanos:
    """A moment; with `past` not a future one."""
    now = Nanos(time.time_ns())
    try:
        found = moment(text, now)
    except ValueError as problem:
        raise typer.BadParameter(str(problem), param_hint=hint) from None
    if past and found > now:
        raise typer.BadParameter(f"{iso(found)} lies in the future, of which nothing is known", param_hint=hint)
    return found


def read_range(start: str | None, end: str | None) -> tuple[Nanos, Nanos]:
    """A range; without a start as far back as can be asked."""
    until = Nanos(time.time_ns() + _AHEAD_NS) if end is None else read_moment(end, "'--end'", past=False)
    since = Nanos(max(0, until - MAX_RANGE_NS)) if start is None else read_moment(start, "'--start'", past=False)
    if since >= until:
        raise typer.BadParameter(f"{iso(since)} is not before {iso(until)}", param_hint="'--start'")
    if until - since > MAX_RANGE_NS:
        raise typer.BadParameter(f"a range of more than {MAX_RANGE_DAYS} days cannot be asked for", param_hint="'--start'")
    return since, until


def read_severities(names: list[str] | None) -> frozenset[Severity]:
    """Severities, each with its acknowledged form."""
    found: set[Severity] = set()
    for name in names or ():
        severity = BY_NAME.get(name.upper())
        if severity is None:
            raise typer.BadParameter(f"{name!r} is none of {', '.join(BY_NAME)}", param_hint="'--severity'")
        found |= {severity, severity.acknowledged}
    return frozenset(found)


def the_config(site: Settings, config: str | None, paths: list[str | None]) -> str:
    """The one configuration that a question is about."""
    roots = {split(path)[0] for path in paths if path is not None}
    if len(roots | ({config} if config else set())) > 1:
        raise typer.BadParameter("the paths are not all in one configuration: ask for each by itself", param_hint="'--path'")
    names = [one.name for one in chosen_configurations(site.configurations, config or next(iter(roots), None))]
    if len(names) != 1:
        raise SettingsError(f"say which configuration with --config: {', '.join(names)}")
    return names[0]
