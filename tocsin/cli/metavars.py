"""What help calls the values of options: in words for people, where typer has those of Python."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup
from typer.models import OptionInfo

_WORDS: dict[Any, str] = {int: "NUMBER", float: "NUMBER", str: "TEXT", Path: "FILE", bool: ""}


def declared(annotation: Any) -> tuple[Any, Any]:
    """The type of a parameter, without `None`, and what typer is told about it; None if it is told nothing."""
    base, info = annotation, None
    if typing.get_origin(annotation) is typing.Annotated:
        base, info = typing.get_args(annotation)[:2]
    if typing.get_origin(base) in (types.UnionType, typing.Union):
        [base] = [one for one in typing.get_args(base) if one is not type(None)]
    if typing.get_origin(base) is list:
        [base] = typing.get_args(base)
    return base, info


def metavar(base: Any) -> str:
    """What stands for a value of that type; nothing for an option that has none."""
    if isinstance(base, type) and issubclass(base, Enum):
        return "|".join(str(one.value) for one in base)
    return _WORDS.get(base, "VALUE")


def readable(app: typer.Typer) -> None:
    """Have the help of all commands in words for people; to be called when the last one was added."""
    for command in app.registered_commands:
        command.cls = _readable_class(command.cls or TyperCommand, Command)
        if command.callback is not None:
            _name_values(command.callback)
    for group in app.registered_groups:
        group.cls = _readable_class(group.cls or TyperGroup, Group)
        if group.typer_instance is not None:
            readable(group.typer_instance)
    given = app.registered_callback
    if given is not None and given.callback is not None:
        _name_values(given.callback)


def _readable_class(given: Any, ours: Any) -> Any:
    return given if issubclass(given, _Readable) else ours if issubclass(ours, given) else type(given.__name__, (ours, given), {})


def _name_values(callback: Callable[..., Any]) -> None:
    hints = typing.get_type_hints(callback, include_extras=True)
    for name in inspect.signature(callback).parameters:
        base, info = declared(hints[name])
        if isinstance(info, OptionInfo) and info.metavar is None:
            info.metavar = metavar(base)
    # Read once: as text, they would be other objects whenever somebody looks.
    callback.__annotations__ = hints


_WORDS_OF_NUMBERS = (
    ("Value error, ", ""),
    ("Input should be greater than or equal to ", "expected at least "),
    ("Input should be less than or equal to ", "expected at most "),
    ("Input should be a valid integer, unable to parse string as an integer", "expected a whole number"),
    ("Input should be a valid integer, got a number with a fractional part", "expected a whole number"),
    ("Input should be a valid number, unable to parse string as a number", "expected a number"),
)


def in_words(message: str) -> str:
    """What is wrong with an option, without the words of the library that found it."""
    for theirs, ours in _WORDS_OF_NUMBERS:
        message = message.replace(theirs, ours)
    return message


class _Readable:
    """What options say where typer adds words of its own."""

    def get_params(self, ctx: Any) -> list[Any]:
        """The parameters, also those that typer adds."""
        found: list[Any] = super().get_params(ctx)  # type: ignore[misc]  # of the class beside it
        for one in found:
            if isinstance(one, TyperArgument):
                # Its name says what it is; the type in the words of Python would stand beside it.
                one.display_type_rich = _nothing  # type: ignore[method-assign]
                one.metavar = _name_of(one)
            elif one.metavar is None and one.is_flag:
                one.metavar = ""
        return found


def _name_of(argument: TyperArgument) -> str:
    """As help shows it: with dots where there may be several."""
    name = argument.metavar or (argument.name or "").upper()
    return name if argument.nargs == 1 or name.endswith("...") else f"{name}..."


def _nothing(ctx: Any) -> None:
    return None


class Command(_Readable, TyperCommand):
    """A command whose help is readable."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """What stands after its name: `[OPTIONS] ALARM... [PATH]`."""
        return [self.options_metavar or "", *(_in_usage(one) for one in self.get_params(ctx) if isinstance(one, TyperArgument))]


def _in_usage(argument: TyperArgument) -> str:
    name = _name_of(argument)
    return name if argument.required else f"[{name}]"


class Group(_Readable, TyperGroup):
    """A group of commands whose help is readable."""
