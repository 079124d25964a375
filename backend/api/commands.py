"""Commands of operators."""

from __future__ import annotations

import uuid
from enum import StrEnum
from typing import Annotated

import orjson
import structlog
from fastapi import APIRouter, Request, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from alarm_engine.errors import JournalError
from alarm_engine.logic import shelving
from alarm_engine.model.command import Command, CommandKind
from alarm_engine.model.path import canonical, is_path, split
from alarm_engine.model.state import EventId
from alarm_engine.model.times import NANOS_PER_SECOND, Nanos
from backend.api.freshness import Trust, trust
from backend.api.lookup import event_id, moment, span_s, tree_of
from backend.api.problems import PREFIX, RESPONSES, Problem, ProblemDocument, fault, faulty_request
from backend.commander import Commander, IdInUse
from backend.gate import identity_of, require
from backend.live.follower import Follower
from backend.outcome import Answer, Outcome
from backend.security import Identity, Role
from backend.services import Services

log = structlog.get_logger()

ANONYMOUS = "anonymous"


class CommandName(StrEnum):
    """What can be asked for here; the switches of a whole configuration are left to CS-Studio."""

    ACKNOWLEDGE = "acknowledge"
    UNACKNOWLEDGE = "unacknowledge"
    SHELVE = "shelve"
    UNSHELVE = "unshelve"
    DISABLE = "disable"
    ENABLE = "enable"


def _printable(text: str) -> str:
    if any(character < " " and character not in "\n\t" for character in text):
        raise ValueError("must not hold control characters")
    try:
        text.encode()
    except UnicodeEncodeError as problem:
        raise ValueError("must be text that can be written as UTF-8") from problem
    return text.strip()


def _path(text: str) -> str:
    if not is_path(text) or not split(text):
        raise ValueError("must be the path of an alarm or component, as /config/system/.../pv")
    return canonical(text)


Text = Annotated[str, AfterValidator(_printable)]


class CommandBody(BaseModel):
    """A command for an alarm, or for everything below a component."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    command: CommandName
    path: Annotated[str, AfterValidator(_printable), AfterValidator(_path)] = Field(max_length=2000, description="Alarm or component.")
    user: Text = Field("", max_length=100, description="Who asks; counts only where nobody has to log in.")
    reason: Text = Field("", max_length=2000, description="Why; stands in the history.")
    until: str | int | None = Field(
        None,
        description="For shelve: when the alarm comes back. ISO 8601 with zone, milliseconds since the epoch, or +2h; "
        f"{shelving.LONGEST_DAYS} days from now at most.",
    )
    duration: str | int | float | None = Field(None, description="For shelve, instead of `until`: 90s, 15m, 2h, 1d, or seconds.")
    seen: str | None = Field(
        None, max_length=200, description="`as_of` of what the user had on screen: alarms that rose after it are left alone."
    )
    id: Annotated[str, AfterValidator(_printable)] | None = Field(
        None,
        min_length=1,
        max_length=100,
        description="Chosen by the client, different for each command. Sent again, it is carried out once.",
    )

    @model_validator(mode="after")
    def _end_of_shelving(self) -> CommandBody:
        given = (self.until is not None) + (self.duration is not None)
        if self.command is CommandName.SHELVE and given != 1:
            raise ValueError("shelve needs `until` or `duration`, one of them")
        if self.command is not CommandName.SHELVE and given:
            raise ValueError("`until` and `duration` are for shelve only")
        return self


class CommandAnswer(Trust):
    """What became of a command."""

    outcome: Outcome
    id: str = Field(description="Id of the command, also in its events as `correlation`.")
    command: CommandName
    path: str
    user: str = Field(description="Who stands in the history.")
    reason: str = Field(description="Why it is not confirmed.")
    count: int = Field(description="Alarms acted on.")
    left_alone: list[str] = Field(description="Alarms that rose after what the user had seen.")
    event: str | None = Field(description="Event that closed the command.")


def commands_router(services: Services, commander: Commander) -> APIRouter:
    """`commands`."""
    router = APIRouter(prefix=PREFIX, tags=["commands"], responses=RESPONSES)

    @router.post(
        "/commands",
        summary="Acknowledge, shelve, ...",
        response_model=CommandAnswer,
        responses={
            202: {"model": CommandAnswer, "description": "Not confirmed: it may or may not have been carried out"},
            409: {"model": ProblemDocument, "description": "Refused by the engine; the problem says why"},
        },
    )
    async def commands(body: CommandBody, request: Request) -> Response:
        """Carry a command out. 200: done, and what it did. 202: no answer of the engine in time; a time-out is never success.

        409: refused, `message` says why. 404: there is no such alarm or component.
        """
        if not services.settings.commands:
            raise Problem(403, "this server takes no commands (backend.commands is off)")
        identity = identity_of(request)
        require(identity, Role.OPERATOR)
        tree = tree_of(services.live.trees, split(body.path)[0])
        command = read_command(body, identity, tree.config, services.clock.now().wall)
        if not (body.path in tree.alarms or body.path in tree.nodes or tree.freshness().stale):
            raise Problem(404, f"there is no alarm and no component {body.path}", outcome=Outcome.REFUSED.value)
        try:
            answer = await commander.execute(tree, command)
        except IdInUse:
            raise faulty_request([fault("body.id", "was given to another command already: choose a new one for each", body.id)]) from None
        except JournalError as problem:
            raise Problem(
                503, f"the command could not be written to the journal: {problem}", outcome=Outcome.NOT_CONFIRMED.value
            ) from problem
        return _response(answer, command, tree)

    return router


def read_command(body: CommandBody, identity: Identity, config: str, now: Nanos) -> Command:
    """The command that a request stands for; raises `Problem` with all that is wrong with it."""
    faults = []
    until: Nanos | None = None
    seen: EventId | None = None
    try:
        until = _until(body, now)
    except ValueError as problem:
        where = "until" if body.until is not None else "duration"
        faults.append(fault(f"body.{where}", str(problem), getattr(body, where)))
    try:
        seen = event_id(body.seen, config) if body.seen else None
    except ValueError as problem:
        faults.append(fault("body.seen", str(problem), body.seen))
    if faults:
        raise faulty_request(faults)
    return Command(
        path=body.path,
        kind=CommandKind(body.command.value),
        user=identity.name or body.user or ANONYMOUS,
        host=identity.host,
        id=body.id or str(uuid.uuid4()),
        reason=body.reason,
        seen=seen,
        until=until,
    )


def _until(body: CommandBody, now: Nanos) -> Nanos | None:
    if body.until is not None:
        until = moment(str(body.until), now)
    elif body.duration is not None:
        until = Nanos(now + round(span_s(str(body.duration)) * NANOS_PER_SECOND))
    else:
        return None
    if why := shelving.refusal(until, now):
        raise ValueError(why)
    return until


def _response(answer: Answer, command: Command, tree: Follower) -> Response:
    event = str(answer.event) if answer.event else None
    if answer.outcome is Outcome.REFUSED:
        raise Problem(409, answer.reason or "the engine refused the command", outcome=answer.outcome.value, id=command.id, event=event)
    body = {
        **trust([tree]),
        "outcome": answer.outcome.value,
        "id": command.id,
        "command": command.kind.value,
        "path": command.path,
        "user": command.user,
        "reason": answer.reason,
        "count": answer.count,
        "left_alone": answer.left_alone,
        "event": event,
    }
    status = 200 if answer.outcome is Outcome.DONE else 202
    return Response(orjson.dumps(body), status, {"Cache-Control": "no-store"}, "application/json")
