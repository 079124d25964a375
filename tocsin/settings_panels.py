"""Panels on generated dashboards: their section of the settings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from dashboards.kit.targets import PLUGINS

_ASKS = ("rows", "url", "query")


class PanelSection(BaseModel):
    """One panel; it is a text, or it asks for something: by `rows`, `url` or `query`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str = Field(min_length=1, description="Title, in plain words.")
    dashboard: str = Field(
        min_length=1,
        description="Where it goes: `overview`, `wall`, `subsystems` (each of them), `component`, `pv`, `history`, `timetravel`, "
        "`performance`, `audit`, `health`; the path of a component that has a dashboard; or the uid of one.",
    )
    kind: Literal["text", "table", "lines", "number"] = Field(description="What it looks like.")
    description: str = Field("", description="What it means and what to do, behind the *i* of the panel.")
    text: str = Field("", description="Of a text panel: markdown, in which variables of the dashboard may stand.")
    rows: str = Field("", description="A question to tocsin, as `active` or `audit/users`: what follows `/grafana/rows/` in the API.")
    parameters: dict[str, str] = Field({}, description="Its parameters, as `severity: MAJOR`; the configuration is added.")
    url: str = Field("", description="An address that answers JSON, asked by GET through the Infinity datasource that `datasource` names.")
    root: str = Field("", description="Where in that answer the list of rows is (JSONata); absent: the answer is the list.")
    columns: dict[str, Literal["time", "date", "number", "string", "boolean"]] = Field(
        {},
        description="Of `rows` and `url`: the columns to show, in order, and what they hold. `time` is milliseconds since the epoch, "
        "`date` a text as 2026-01-31T08:00:00Z (not with `rows`).",
    )
    datasource: str = Field("", pattern=r"^[A-Za-z0-9_-]{0,40}$", description="Uid of a datasource that your Grafana has.")
    plugin: str = Field("prometheus", min_length=1, description="Of `query`: the plugin of that datasource.")
    query: dict[str, Any] = Field({}, description="A query as the editor of that plugin writes it, as `expr: ring_current`.")
    unit: str = Field("short", min_length=1, description="Unit of numbers, by Grafana's names.")
    width: int = Field(12, ge=4, le=24, description="Columns of 24.")
    height: int = Field(8, ge=2, le=40, description="Rows of 38 pixels.")
    after: str = Field("", description="Title of the panel below which it stands; absent, and `before` too: it comes last.")
    before: str = Field("", description="Title of the panel above which it stands.")
    configuration: str = Field("", description="Name of the configuration whose dashboards have it; absent: those of all.")

    @model_validator(mode="after")
    def _is_of_one_kind(self) -> Self:
        faults = list(_faults(self))
        if faults:
            raise ValueError("; ".join(faults))
        return self


def _faults(panel: PanelSection) -> Iterator[str]:
    asks = [name for name in _ASKS if getattr(panel, name)]
    if panel.kind == "text":
        if asks or not panel.text:
            yield "kind is 'text': give `text`, and none of rows, url, query"
    elif len(asks) != 1 or panel.text:
        yield f"kind is {panel.kind!r}: give one of rows, url, query, and no text"
    if asks and asks[0] != "rows" and not panel.datasource:
        yield f"`{asks[0]}` is given, and no `datasource`: give the uid of the one that is to be asked"
    if asks in (["rows"], ["url"]) and not panel.columns:
        yield f"`{asks[0]}` is given, and no `columns`: give names and types of those to show"
    if panel.query and panel.plugin in PLUGINS.values():
        yield f"`query` is given, and plugin is {panel.plugin!r}: give `rows` for tocsin itself, `url` for another address"
    if panel.query and panel.columns:
        yield "`query` and `columns` are given: columns belong to rows and url, a query shows what it gets"
    if panel.after and panel.before:
        yield "after and before are given: give one of them"
