"""Ad hoc filters of Grafana, applied to rows. Pure."""

from __future__ import annotations

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


@dataclass(frozen=True, slots=True)
class Filter:
    """One condition on one column."""

    key: str
    operator: str
    values: tuple[str, ...]

    def holds(self, cell: Cell) -> bool:
        """True if the cell meets the condition."""
        positive = _NEGATED.get(self.operator)
        if positive is not None:
            return not Filter(self.key, positive, self.values).holds(cell)
        text = _text(cell)
        if self.operator == "=~":
            return any(re.fullmatch(value, text) for value in self.values)
        if self.operator in _COMPARISONS:
            return isinstance(cell, int | float) and _COMPARISONS[self.operator](cell, float(self.values[0]))
        return text in self.values


def _text(cell: Cell) -> str:
    return "" if cell is None else str(cell).lower() if isinstance(cell, bool) else str(cell)


def read_filters(given: Sequence[Mapping[str, object]]) -> list[Filter]:
    """Filters of a request; raises `BadQuestion` for one that cannot be understood (it would let everything through)."""
    return [_filter(entry) for entry in given]


def _filter(entry: Mapping[str, object]) -> Filter:
    key, sign = str(entry.get("key", "")), str(entry.get("operator", "="))
    several = entry.get("values")
    values = tuple(str(value) for value in several) if isinstance(several, list) and several else (str(entry.get("value", "")),)
    if sign not in {"=", "=~", "=|", *_NEGATED, *_COMPARISONS}:
        raise BadQuestion(f"ad hoc filter on {key!r}: unknown operator {sign!r}")
    try:
        if sign in ("=~", "!~"):
            for value in values:
                if len(value) > _MAX_PATTERN:
                    raise ValueError(f"longer than {_MAX_PATTERN} characters")
                re.compile(value)
        elif sign in _COMPARISONS:
            float(values[0])
    except (ValueError, re.error) as problem:
        raise BadQuestion(f"ad hoc filter {key} {sign} {values[0]!r}: {problem}") from problem
    return Filter(key, sign, values)


def apply(filters: Sequence[Filter], rows: list[Row]) -> list[Row]:
    """The rows that meet all filters on columns they have; a row that says STALE always stays."""
    for one in filters:
        rows = [row for row in rows if one.key not in row or STALE in (row.get("severity"), row.get("worst")) or one.holds(row[one.key])]
    return rows
