"""The form of a panel as Grafana 12 reads it: see `shapes`. Options of plugins are not looked at. Pure."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from dashboards.kit.targets import PLUGINS, PROMETHEUS, Kind

Json = dict[str, Any]

Interval = Annotated[str, Field(pattern=r"^(|auto|\d+(ms|s|m|h|d))$")]
Text = Annotated[str, Field(min_length=1)]
Place = Annotated[int, Field(ge=0)]


class Shape(BaseModel):
    """A part of a dashboard: no other keys, no values that would have to be converted."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Source(Shape):
    """Reference to a datasource."""

    type: Text
    uid: Text


class Parameter(Shape):
    """Parameter of a request."""

    key: Text
    value: str


class UrlOptions(Shape):
    """How a request is sent: nothing but GET, or a look at a dashboard could change something."""

    method: Literal["GET"]
    data: str
    params: list[Parameter]


class AskedColumn(Shape):
    """A column that the Infinity datasource reads from the answer."""

    selector: Text
    text: Text
    type: Literal["string", "number", "timestamp_epoch", "timestamp_epoch_s", "timestamp", "boolean"]


class InfinityTarget(Shape):
    """A query of the Infinity datasource; its other parsers run in the browser, and no alert rule can use them."""

    refId: Text
    datasource: Source
    type: Literal["json"]
    parser: Literal["backend"]
    source: Literal["url"]
    format: Literal["table", "dataframe", "logs", "timeseries"]
    url: Text
    url_options: UrlOptions
    root_selector: str
    columns: Annotated[list[AskedColumn], Field(min_length=1)]
    filters: list[Json]
    computed_columns: list[Json]
    filterExpression: str
    pagination_mode: Literal["none"]


class JsonTarget(Shape):
    """A query of the simPod datasource."""

    refId: Text
    datasource: Source
    editorMode: Literal["code"]
    hide: Literal[False]
    target: Text
    payload: Text


class PrometheusTarget(Shape):
    """A query of the Prometheus datasource: series over the range."""

    refId: Text
    datasource: Source
    expr: Text
    legendFormat: Text
    editorMode: Literal["code"]
    range: Literal[True]
    instant: Literal[False]


class OtherTarget(BaseModel):
    """A query of a datasource that the site has chosen: what its plugin wants of it is not known here."""

    model_config = ConfigDict(extra="allow", strict=True)

    refId: Text
    datasource: Source


def _plugin(target: Json) -> str:
    source = target.get("datasource") if isinstance(target, dict) else None
    plugin = source.get("type") if isinstance(source, dict) else None
    named = {PLUGINS[Kind.INFINITY]: "infinity", PLUGINS[Kind.JSON]: "json", PROMETHEUS: PROMETHEUS}
    return named.get(plugin, "other") if isinstance(plugin, str) else "infinity"


_Tagged = (
    Annotated[InfinityTarget, Tag("infinity")]
    | Annotated[JsonTarget, Tag("json")]
    | Annotated[PrometheusTarget, Tag(PROMETHEUS)]
    | Annotated[OtherTarget, Tag("other")]
)
Target = Annotated[_Tagged, Discriminator(_plugin)]


class GridPos(Shape):
    """Place of a panel."""

    x: Place
    y: Place
    w: Annotated[int, Field(ge=1, le=24)]
    h: Annotated[int, Field(ge=1)]


class DataLink(Shape):
    """Link of a cell, a tile or a panel."""

    title: Text
    url: Text
    targetBlank: bool
    oneClick: bool = False


class Step(Shape):
    """Step of thresholds; the first has no value."""

    color: Text
    value: float | None


class Thresholds(Shape):
    """Thresholds."""

    mode: Literal["absolute", "percentage"]
    steps: Annotated[list[Step], Field(min_length=1)]


class Result(Shape):
    """What a value is shown as."""

    text: str
    color: str | None = None
    index: int


class ValueMapping(Shape):
    """Single values."""

    type: Literal["value"]
    options: dict[str, Result]


class PatternOptions(Shape):
    """Values that a pattern fits."""

    pattern: Text
    result: Result


class PatternMapping(Shape):
    """Values that a pattern fits."""

    type: Literal["regex"]
    options: PatternOptions


class SpecialOptions(Shape):
    """No value, and the like."""

    match: Literal["true", "false", "null", "nan", "null+nan", "empty"]
    result: Result


class SpecialMapping(Shape):
    """No value, and the like."""

    type: Literal["special"]
    options: SpecialOptions


Mapping = Annotated[ValueMapping | PatternMapping | SpecialMapping, Field(discriminator="type")]


class Colour(Shape):
    """How a field is coloured."""

    mode: Literal["thresholds", "fixed", "shades", "palette-classic", "palette-classic-by-name"]
    fixedColor: Text | None = None


class Defaults(Shape):
    """Field settings of all columns."""

    displayName: str | None = None
    unit: Text | None = None
    min: float | None = None
    max: float | None = None
    decimals: int | None = None
    noValue: Text | None = None
    color: Colour | None = None
    mappings: list[Mapping] = []
    thresholds: Thresholds | None = None
    links: list[DataLink] = []
    custom: Json = {}


class Matcher(Shape):
    """Which columns an override is for."""

    id: Literal["byName", "byNames", "byRegexp", "byType", "byFrameRefID"]
    options: Any


class Property(Shape):
    """One setting of an override."""

    id: Annotated[str, Field(pattern=r"^(custom\.[A-Za-z.]+|displayName|unit|min|max|decimals|noValue|color|mappings|thresholds|links)$")]
    value: Any


class Override(Shape):
    """Field settings of single columns."""

    matcher: Matcher
    properties: Annotated[list[Property], Field(min_length=1)]


class FieldConfig(Shape):
    """Field settings."""

    defaults: Defaults
    overrides: list[Override]


class Transformation(Shape):
    """What happens to the answer before it is shown."""

    id: Literal["organize", "partitionByValues", "rowsToFields", "joinByField", "filterFieldsByName", "sortBy", "reduce", "limit", "merge"]
    options: Json


class Panel(Shape):
    """A panel."""

    id: Annotated[int, Field(ge=1)]
    type: Text
    title: Text
    description: Text
    pluginVersion: Text
    gridPos: GridPos
    datasource: Source | None = None
    targets: list[Target]
    options: Json
    fieldConfig: FieldConfig
    transformations: list[Transformation] = []
    links: list[DataLink] = []
    transparent: Literal[True] = True
    timeFrom: Interval | None = None

    @model_validator(mode="after")
    def _asks_something(self) -> Self:
        if self.type == "text":
            if self.targets or self.datasource:
                raise ValueError("a text panel asks nothing: it has neither a datasource nor queries")
        elif self.datasource is None or not self.targets:
            raise ValueError("datasource and targets: expected a datasource and at least one query")
        return self
