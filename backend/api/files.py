"""The files that alarm trees come from: which commit is in force, what is wrong with a newer one, what others edited."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Query, Response
from pydantic import Field

from alarm_engine.model.times import Nanos, iso
from alarm_engine.wire.report import FileReport
from alarm_engine.wire.revision import Revision
from backend.api.forms import Form, Time
from backend.api.lookup import Question
from backend.api.problems import PREFIX, RESPONSES, Problem
from backend.live.files import TreeFiles
from backend.services import Services


class DriftForm(Form):
    """Something in force that is not what the files say."""

    path: str
    what: Literal["edited", "removed", "added"] = Field(description="What another client than the sync did.")
    fields: list[str] = Field(description="Fields that were edited.")


class RevisionForm(Form):
    """What a sync changed, at once."""

    number: int
    state: Literal["begun", "closed", "discarded"] = Field(
        description="`closed`: in force; `discarded`: its writer died, nothing of it is."
    )
    time: Time
    commit: str = Field(description="Empty where the files are of no commit.")
    author: str
    subject: str = Field(description="First line of the message of the commit.")
    host: str = Field(description="Where the sync ran.")
    added: int
    edited: int
    removed: int
    moved: int = Field(description="Alarms whose PV went on at another path; not among those added and removed.")


class FilesForm(Form):
    """The files of one configuration."""

    config: str
    state: Literal["unknown", "in force", "waiting", "refused"] = Field(
        description="Of the newest files; `refused`: they have errors and what was there stays, `waiting`: see `problem`."
    )
    time: Time | None = Field(description="When a sync process said so; null: none ever did.")
    host: str
    commit: str = Field(description="Of the newest files, refused or not.")
    author: str
    subject: str
    problem: str = Field(description="Why good files are not in force yet.")
    faults: list[str] = Field(description="Errors with file and line; the first of them.")
    fault_count: int
    drift: list[DriftForm] = Field(description="The first of them.")
    drift_count: int
    revision: RevisionForm | None = Field(description="The newest one; null: the tree never came from files.")


class FilesAnswer(Form):
    """The files of all configurations, or of one."""

    files: list[FilesForm]


def files_router(services: Services) -> APIRouter:
    """`files`."""
    router = APIRouter(prefix=PREFIX, tags=["alarms"], responses=RESPONSES)

    @router.get("/files", summary="Where the alarm trees come from", response_model=FilesAnswer)
    async def files(question: Annotated[Question, Query()]) -> Response:
        """Commit, revision, faults and drift of each configuration, as the sync process and the journal tell them."""
        trees = services.live.trees
        if question.config is not None and question.config not in trees:
            raise Problem(404, f"there is no configuration {question.config!r}")
        chosen = [question.config] if question.config is not None else list(trees)
        body = {"files": [files_object(config, trees[config].files) for config in chosen]}
        return Response(orjson.dumps(body), headers={"Cache-Control": "no-store"}, media_type="application/json")

    return router


def files_object(config: str, files: TreeFiles) -> Mapping[str, Any]:
    """The form `FilesForm`."""
    report = files.report
    told = report or FileReport(Nanos(0))
    return {
        "config": config,
        "state": "unknown" if report is None else "refused" if told.is_refused else "waiting" if told.problem else "in force",
        "time": iso(told.time) if report is not None else None,
        "host": told.host,
        "commit": told.commit.id,
        "author": told.commit.author,
        "subject": told.commit.subject,
        "problem": told.problem,
        "faults": list(told.faults),
        "fault_count": told.fault_count,
        "drift": [{"path": one.path, "what": one.what, "fields": list(one.fields)} for one in told.drift],
        "drift_count": told.drift_count,
        "revision": _revision(files.revision) if files.revision is not None else None,
    }


def _revision(revision: Revision) -> dict[str, Any]:
    return {
        "number": revision.number,
        "state": revision.state.value,
        "time": iso(revision.time),
        "commit": revision.commit.id,
        "author": revision.commit.author,
        "subject": revision.commit.subject,
        "host": revision.host,
        **{name: getattr(revision, name) for name in ("added", "edited", "removed", "moved")},
    }
