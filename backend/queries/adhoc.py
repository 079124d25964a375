"""Ad hoc filters of Grafana, applied to rows. Pure.

Patterns (`=~`) are the part of regular expressions that people use here: characters, `.`, `.*`, `.+`, alternatives. A full expression from
a viewer could keep the backend busy for hours; these cannot.
"""

from __future__ import annotations

import fnmatch
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from backend.queries.request import BadQuestion, Cell, Row
from backend.queries.scope import STALE

_NEGATED = {"!=": "=", "!~": "=~", "!=|": "=|"}
_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_MAX_PATTERN = 200
_MAX_FILTERS = 20
_MAX_VALUES = 500
_TOKEN = re.compile(r"\.\*|\.\+|\\.|.", re.DOTALL)
_UNSUPPORTED = frozenset("*+?[](){}^$\\")
_WILD = {".*": "*", ".+": "?*", ".": "?"}


@dataclass(frozen=True, slots=True)
class Filter:
    """One condition on one column."""

    key: str
    holds: Callable[[Cell], bool]


def read_filters(given: Sequence[Mapping[str, object]]) -> list[Filter]:
    """Filters of a request; raises `BadQuestion` for one that cannot be understood (it would let everything through)."""
    if len(given) > _MAX_FILTERS:
        raise BadQuestion(f"{len(given)} ad hoc filters: at most {_MAX_FILTERS} are possible")
    return [_filter(entry) for entry in given]


def apply(filters: Sequence[Filter], rows: list[Row]) -> list[Row]:
    """The rows that meet all filters on columns they have; a row that says STALE always stays."""
    for one in filters:
        rows = [row for row in rows if one.key not in row or STALE in (row.get("severity"), row.get("worst")) or one.holds(row[one.key])]
    return rows


def _filter(entry: Mapping[str, object]) -> Filter:
    key, sign = str(entry.get("key", "")), str(entry.get("operator", "="))
    several = entry.get("values")
    values = [str(value) for value in several] if isinstance(several, list) and several else [str(entry.get("value", ""))]
    try:
        if len(values) > _MAX_VALUES:
            raise ValueError(f"more than {_MAX_VALUES} values")
        holds = _condition(_NEGATED.get(sign, sign), values)
    except ValueError as problem:
        raise BadQuestion(f"ad hoc filter {key} {sign} {values[0][:_MAX_PATTERN]!r}: {problem}") from problem
    return Filter(key, (lambda cell: not holds(cell)) if sign in _NEGATED else holds)


def _condition(sign: str, values: Sequence[str]) -> Callable[[Cell], bool]:
    if sign in ("=", "=|"):
        wanted = frozenset(values)
        return lambda cell: _text(cell) in wanted
    if sign == "=~":
        patterns = [pattern(value) for value in values]
        return lambda cell: any(one.fullmatch(_text(cell)) for one in patterns)
    if sign in _COMPARISONS:
        compare, limit = _COMPARISONS[sign], float(values[0])
        return lambda cell: isinstance(cell, int | float) and compare(cell, limit)
    raise ValueError("unknown operator")


def _text(cell: Cell) -> str:
    return "" if cell is None else str(cell).lower() if isinstance(cell, bool) else str(cell)


def pattern(text: str) -> re.Pattern[str]:
    """A pattern that takes time in proportion to what it looks at; raises `ValueError` for signs that it does not know."""
    if len(text) > _MAX_PATTERN:
        raise ValueError(f"longer than {_MAX_PATTERN} characters")
    text = text.removeprefix("^").removesuffix("$")
    if text.startswith("(") and text.endswith(")"):
        text = text[1:-1]
    alternatives = [""]
    for token in _TOKEN.findall(text):
        if token == "|":
            alternatives.append("")
        elif token in _WILD:
            alternatives[-1] += _WILD[token]
        elif token in _UNSUPPORTED:
            raise ValueError(f"{token!r} is not possible here: use characters, . .* .+ and | (a backslash before other signs)")
        else:
            literal = token[-1]
            alternatives[-1] += f"[{literal}]" if literal in "*?[" else literal
    # `fnmatch` writes wild cards as atomic groups: nothing is tried twice.
    return re.compile("|".join(fnmatch.translate(one) for one in alternatives))
