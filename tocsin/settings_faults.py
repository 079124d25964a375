"""Faults of settings as sentences: where, what stands there, what was expected."""

from __future__ import annotations

import difflib
import os
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel

_KINDS = {
    "int_": "a whole number",
    "float_": "a number",
    "bool_": "true or false",
    "string_type": "a text",
    "path_type": "the name of a file",
    "list_type": "a list",
    "tuple_type": "a list",
    "model_type": "keys and values",
    "dict_type": "keys and values",
}
"""How the kind of an error of pydantic begins, and what was expected."""


def sentences(errors: Sequence[Any], model: type[BaseModel]) -> list[str]:
    """One sentence for each cause among the errors that pydantic has found in a model."""
    return [_sentence(error, model) for error in _causes(errors)]


def _causes(errors: Sequence[Any]) -> list[Any]:
    """Without errors that only follow from another one further inside: a list is no longer filled when its one entry is faulty."""
    places = [error["loc"] for error in errors]
    return [
        error
        for error in errors
        if not any(len(place) > len(error["loc"]) and place[: len(error["loc"])] == error["loc"] for place in places)
    ]


def _sentence(error: Any, root: type[BaseModel]) -> str:
    where = ".".join(str(part) for part in error["loc"])
    variable = "TOCSIN_" + "__".join(str(part) for part in error["loc"]).upper()
    origin = f" (from the environment variable {variable})" if variable in os.environ else ""
    if error["type"] == "extra_forbidden":
        known = _keys_beside(error["loc"], root)
        close = difflib.get_close_matches(str(error["loc"][-1]), known, n=1)
        hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}"
        return f"{where}: unknown key{origin}; {hint}"
    if error["type"] == "missing":
        return f"{where}: is missing"
    if error["type"] == "value_error" and isinstance(error.get("input"), dict):
        return f"{where}: {_expected(error)}" if where else _expected(error)  # keys that do not go together
    return f"{where}: {error.get('input')!r}{origin}: {_expected(error)}"


def _expected(error: Any) -> str:
    kind = error["type"]
    if kind == "too_short":
        return "must not be empty"
    named = next((words for beginning, words in _KINDS.items() if kind.startswith(beginning)), None)
    if named is not None:
        return f"expected {named}"
    message: str = error["msg"].removeprefix("Value error, ").replace("Input should", "should")
    return message[:1].lower() + message[1:]


def _keys_beside(location: tuple[Any, ...], root: type[BaseModel]) -> list[str]:
    model: Any = root
    for part in location[:-1]:
        if isinstance(part, int):
            continue
        annotation = model.model_fields[part].annotation
        arguments = getattr(annotation, "__args__", ())
        model = next((a for a in (annotation, *arguments) if isinstance(a, type) and issubclass(a, BaseModel)), None)
        if model is None:
            return []
    return sorted(model.model_fields)
