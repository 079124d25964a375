"""The form of a dashboard as Grafana 12 reads it (schema version 42): which keys there are, and of what type. Pure.

Grafana loads nearly anything and drops or misreads what it does not know, without a word. So what is known is spelled out here, and
anything else is a fault. Options of plugins that we do not make ourselves are not looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, model_validator

from dashboards.panel_shapes import Interval, Json, Panel, Shape, Source, Target, Text

_WHEN = r"^now(-\d+[smhdwMy](/[smhdwMy])?)?$"
Uid = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,40}$")]


class Current(Shape):
    """What a variable is when the dashboard is opened."""

    text: str | list[str]
    value: str | list[str]


class Variable(Shape):
    """A variable in the head line."""

    type: Literal["query", "custom", "textbox", "interval", "constant", "datasource", "adhoc"]
    name: Annotated[str, Field(pattern=r"^\w+$")]
    label: str = ""
    hide: Annotated[int, Field(ge=0, le=3)]
    query: str | Json
    current: Current
    options: list[Json]
    skipUrlSync: bool = False
    datasource: Source | None = None
    refresh: Annotated[int, Field(ge=0, le=2)] = 0
    sort: Annotated[int, Field(ge=0, le=8)] = 0
    regex: str = ""
    multi: bool = False
    includeAll: bool = False
    allowCustomValue: bool = True

    @model_validator(mode="after")
    def _is_as_many_as_it_says(self) -> Self:
        if {isinstance(self.current.text, list), isinstance(self.current.value, list)} != {self.multi}:
            raise ValueError(f"current must be {'lists' if self.multi else 'texts'}, since multi is {self.multi}")
        return self


class Variables(Shape):
    """All variables."""

    items: Annotated[list[Variable], Field(alias="list")]


class Annotation(Shape):
    """A query for marks; Grafana's own has no target."""

    name: Text
    datasource: Source
    enable: bool
    hide: bool
    iconColor: Text
    target: Target | None = None
    builtIn: Literal[1] | None = None
    type: Literal["dashboard"] | None = None


class Annotations(Shape):
    """All annotations."""

    items: Annotated[list[Annotation], Field(alias="list")]


class HeadLink(Shape):
    """A button or a list in the head line."""

    type: Literal["link", "dashboards"]
    title: Text
    url: str
    tags: list[str]
    icon: Literal["external link", "dashboard", "question", "info", "bolt", "doc", "cloud"]
    asDropdown: bool
    includeVars: bool
    keepTime: bool
    targetBlank: bool
    tooltip: str


class Time(Shape):
    """Time range when it is opened."""

    start: Annotated[str, Field(alias="from", pattern=_WHEN)]
    to: Annotated[str, Field(pattern=_WHEN)]


class QuickRange(Shape):
    """A time range to choose."""

    display: Text
    start: Annotated[str, Field(alias="from", pattern=_WHEN)]
    to: Annotated[str, Field(pattern=_WHEN)]


class TimePicker(Shape):
    """Time picker."""

    hidden: bool
    refresh_intervals: list[Interval]
    quick_ranges: list[QuickRange]


class DashboardShape(Shape):
    """A dashboard."""

    uid: Uid
    title: Text
    description: Text
    tags: list[Text]
    timezone: Literal["browser", "utc", ""]
    weekStart: Literal["", "monday", "saturday", "sunday"]
    fiscalYearStartMonth: Annotated[int, Field(ge=0, le=11)]
    editable: bool
    graphTooltip: Annotated[int, Field(ge=0, le=2)]
    schemaVersion: Literal[42]
    version: int
    refresh: Interval
    preload: bool
    liveNow: bool
    time: Time
    timepicker: TimePicker
    templating: Variables
    annotations: Annotations
    links: list[HeadLink]
    panels: list[Panel]


def shape_faults(data: Json) -> Iterator[str]:
    """Keys that Grafana does not know, values of the wrong type, and what is missing."""
    try:
        DashboardShape.model_validate(data)
    except ValidationError as problem:
        for fault in problem.errors(include_url=False, include_context=False):
            yield f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg'][0].lower()}{fault['msg'][1:]}"
