"""Small pieces of Markdown, and the docstrings behind them."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterable, Sequence
from types import ModuleType
from typing import Any

WIDTH = 140
GENERATED = "<!-- Written by `make docs` from the code: edit the code, not this page. -->"


def page(title: str, *parts: str) -> str:
    """A whole page."""
    return "\n\n".join((GENERATED, f"# {title}", *(part.strip("\n") for part in parts))) + "\n"


def prose(text: str) -> str:
    """A paragraph, wrapped."""
    return textwrap.fill(" ".join(text.split()), WIDTH, break_long_words=False, break_on_hyphens=False)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; cells may hold any text on one line."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_cell(text) for text in line) + " |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def code(text: object) -> str:
    """Text set as code; nothing for nothing."""
    return f"`{text}`" if str(text) else ""


def documented(thing: type[Any] | ModuleType) -> dict[str, str]:
    """Names of a class or module with the docstring that follows each, `""` for one without."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(thing)))
    body: list[ast.stmt] = tree.body if isinstance(thing, ModuleType) else _class_body(tree)
    found: dict[str, str] = {}
    for statement, following in zip(body, [*body[1:], None], strict=True):
        for name in _assigned(statement):
            found[name] = _docstring(following)
    return found


def _class_body(tree: ast.Module) -> list[ast.stmt]:
    [definition] = tree.body
    assert isinstance(definition, ast.ClassDef)
    return definition.body


def _assigned(statement: ast.stmt) -> list[str]:
    if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
        return [statement.target.id]
    if isinstance(statement, ast.Assign):
        return [target.id for target in statement.targets if isinstance(target, ast.Name)]
    return []


def _docstring(statement: ast.stmt | None) -> str:
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant) and isinstance(statement.value.value, str):
        return " ".join(statement.value.value.split())
    return ""


def summary(thing: object) -> str:
    """The docstring of a thing on one line."""
    return " ".join((inspect.getdoc(thing) or "").split())
