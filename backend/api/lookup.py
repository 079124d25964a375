"""Finding configurations, and reading parameters that several endpoints share."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from alarm_engine.model.path import canonical, is_path, split
from alarm_engine.model.severity import BY_NAME, Severity
from alarm_engine.model.state import EventId
from alarm_engine.model.times import LATEST, NANOS_PER_SECOND, Nanos, from_datetime, from_ms
from backend.api.problems import Problem, fault, faulty_request
from backend.live import Live
from backend.live.follower import Follower

_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
_SPAN = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)\s*(ms|s|m|h|d|w)")
_MAX_PATH = 2000
_NO_ID = 1 << 62
"""No store takes larger numbers."""


class Question(BaseModel):
    """Parameters of a question; an unknown one is refused, since without it the answer would be to another question."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    config: str | None = Field(None, description="Name of the configuration; without it: all, or the one of `path`.")


def parts(values: object) -> object:
    """A repeated parameter, or one with commas, as a list of texts."""
    if isinstance(values, str):
        values = [values]
    if not isinstance(values, list):
        return values
    return [part.strip() for value in values if isinstance(value, str) for part in value.split(",") if part.strip()]


def _path(text: object) -> object:
    if text in (None, ""):
        return None
    if not isinstance(text, str) or not is_path(text) or len(text) > _MAX_PATH:
        raise ValueError("must begin with a slash, as /config/system/.../pv")
    return canonical(text)


Path = Annotated[str | None, BeforeValidator(_path)]
"""A canonical path; empty is None."""


def _severity(name: object) -> object:
    if isinstance(name, str) and name.upper() in BY_NAME:
        return BY_NAME[name.upper()]
    raise ValueError(f"must be one of {', '.join(BY_NAME)}")


SeverityParameter = Annotated[Severity, BeforeValidator(_severity)]


def span_s(text: str) -> float:
    """Seconds of a span: `90s`, `15m`, `2h`, `1.5d`, or a number of seconds. Raises `ValueError`."""
    match = _SPAN.fullmatch(text.strip())
    if match:
        return float(match[1]) * _UNITS_S[match[2]]
    if re.fullmatch(r"\d{1,9}(\.\d{1,3})?", text.strip()):
        return float(text)
    raise ValueError(f"{text!r} is no span of time like 90s, 15m, 2h or 1d")


def moment(text: str, now: Nanos) -> Nanos:
    """A time: ISO 8601 with a zone, milliseconds since the epoch, `now`, or a span from now: `-1h`, `+2h`. Raises `ValueError`."""
    found = _moment(text.strip(), now)
    if found > LATEST:
        raise ValueError(f"{text!r} is later than 2100, where times end here")
    return found


def _moment(text: str, now: Nanos) -> Nanos:
    if text == "now":
        return now
    if text[:4] in ("now-", "now+"):
        text = text[3:]
    if text[:1] in ("-", "+") and _SPAN.fullmatch(text[1:]):
        return Nanos(now + (-1 if text[0] == "-" else 1) * round(span_s(text[1:]) * NANOS_PER_SECOND))
    if re.fullmatch(r"\d{1,15}", text):
        return from_ms(int(text))
    try:
        found = datetime.fromisoformat(text.replace(" ", "+") if re.search(r"T[^+Z]* \d\d:?\d\d$", text) else text)
    except ValueError:
        raise ValueError(
            f"{text!r} is no time: expected now, ISO 8601 with a zone, milliseconds since the epoch, or a span like -90s, -30m, -2h, -7d"
        ) from None
    if found.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone: append Z for UTC, or an offset like +01:00")
    if found.year < 1971:
        raise ValueError(f"{text!r} is before the year 1971")
    return from_datetime(found)


def event_id(text: str, config: str) -> EventId:
    """An event id of a configuration; raises `ValueError`."""
    found = EventId.parse(text)
    if not (0 <= found.epoch < _NO_ID and 0 <= found.n < _NO_ID):
        raise ValueError(f"{text!r} is no event: its numbers are beyond all that are given")
    if found.config != config:
        raise ValueError(f"{text!r} is an event of another configuration than {config}")
    return found


def trees_of(live: Live, config: str | None, path: str | None) -> list[Follower]:
    """The trees that a question is about; raises `Problem` for a configuration that is not here or does not go with the path."""
    if path is not None and split(path):
        root = split(path)[0]
        if config is not None and config != root:
            raise faulty_request([fault("query.path", f"is not in the configuration {config}", path)])
        config = root
    if config is None:
        return list(live.trees.values())
    return [tree_of(live.trees, config)]


def tree_of(trees: Mapping[str, Follower], config: str) -> Follower:
    """The tree of a configuration; raises `Problem` (404)."""
    tree = trees.get(config)
    if tree is None:
        raise Problem(
            404, f"there is no configuration {config[:100]!r}; there {'are' if len(trees) != 1 else 'is'}: {', '.join(trees) or 'none'}"
        )
    return tree


def one_tree(live: Live, config: str | None, path: str | None) -> Follower:
    """The one tree that a question is about; raises `Problem` if it does not say which of several."""
    found = trees_of(live, config, path)
    if len(found) != 1:
        raise faulty_request(
            [fault("query.config", f"say which configuration: {', '.join(tree.config for tree in found) or 'there is none'}")]
        )
    return found[0]
