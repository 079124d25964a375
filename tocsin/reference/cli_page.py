"""`cli.md`, from the commands as they are declared."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any

import typer
from typer.models import ArgumentInfo, OptionInfo

from tocsin.cli.metavars import declared, metavar
from tocsin.reference.markdown import code, page, prose, table


def cli_page(app: typer.Typer) -> str:
    """Every command with its arguments and options."""
    return page(
        "Command line",
        prose(
            "`tocsin COMMAND --help` prints the same. Exit status: 0 good; 1 the answer is no (faults in a tree, in dashboards); "
            "2 something could not be used or reached; 3 what is shown is old, since the engine is silent: a sentence on standard error "
            "says what. [Use the terminal](../how-to/use-the-terminal.md) tells more. `tocsin --version` prints the version."
        ),
        *(_section(name, callback) for name, callback in sorted(commands(app, "tocsin"))),
    )


def commands(app: typer.Typer, prefix: str) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Full names of all commands with what carries them out."""
    for command in app.registered_commands:
        assert command.callback is not None
        name = command.name or command.callback.__name__.replace("_", "-")
        yield f"{prefix} {name}", command.callback
    for group in app.registered_groups:
        assert group.typer_instance is not None
        if group.typer_instance.info.invoke_without_command is True:
            assert group.typer_instance.registered_callback is not None
            assert group.typer_instance.registered_callback.callback is not None
            yield f"{prefix} {group.name}", group.typer_instance.registered_callback.callback
        yield from commands(group.typer_instance, f"{prefix} {group.name}")


def _section(name: str, callback: Callable[..., Any]) -> str:
    usage, rows = [name], []
    hints = typing.get_type_hints(callback, include_extras=True)
    for parameter in inspect.signature(callback).parameters.values():
        base, info = declared(hints[parameter.name])
        required = parameter.default is inspect.Parameter.empty
        if isinstance(info, ArgumentInfo):
            shown = info.metavar or parameter.name.upper()
            usage.append(shown if required else f"[{shown}]")
            rows.append([code(shown), info.help or "", "must be given" if required else _default(parameter.default)])
        elif isinstance(info, OptionInfo):
            options = _spellings(info) or ["--" + parameter.name.replace("_", "-")]
            if base is not bool:
                options[0] += " " + (info.metavar or metavar(base))
            if required:
                usage.append(options[0])
            rows.append([code(", ".join(options)), info.help or "", "must be given" if required else _default(parameter.default)])
    text = [f"## {name}", *(prose(part) for part in (inspect.getdoc(callback) or "").split("\n\n"))]
    text.append(f"    {' '.join(usage)}{' [OPTIONS]' if len(rows) + 1 > len(usage) else ''}")
    if rows:
        text.append(table(["argument or option", "meaning", "default"], rows))
    return "\n\n".join(text)


def _spellings(info: OptionInfo) -> list[str]:
    """With `Annotated`, typer keeps the first spelling where the default would stand."""
    first = [info.default] if isinstance(info.default, str) else []
    return sorted([*first, *(info.param_decls or ())], key=lambda spelling: not spelling.startswith("--"))


def _default(default: Any) -> str:
    if default is None or default is False:
        return ""
    return code(default.value if isinstance(default, Enum) else default)
