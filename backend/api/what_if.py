"""What other settings of an alarm would have made of what is recorded."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import Field

from alarm_engine.model.settings import AlarmSettings
from alarm_engine.model.times import Nanos
from backend.api.events import history_response, read_range
from backend.api.lookup import Path, Question, one_tree
from backend.api.problems import PREFIX, RESPONSES, Problem, fault, faulty_request
from backend.api.what_if_forms import WhatIfForm
from backend.services import Services
from backend.tuning.encoding import TUNED, encode_judgement
from backend.tuning.gather import Gatherer, Range
from backend.tuning.proposals import Judgement, judge, propose
from backend.tuning.recording import Recording

MOST_EVENTS = 10_000
"""Replaying more of one alarm takes too long beside live answers; the command line takes more."""
_LONGEST_WAIT_S = 10.0
"""Replays go one by one, so that they leave a processor to live answers."""
_MOST_DELAY_S = 86_400
_MOST_COUNT = 10_000


class WhatIfQuestion(Question):
    """Parameters of `history/what-if`."""

    path: Path = Field(description="The alarm.")
    start: str = Field("-30d", max_length=40, description="From this time on: ISO 8601 with zone, milliseconds, or `-30d`.")
    end: str = Field("now", max_length=40, description="Before this time.")
    delay_s: int | None = Field(None, ge=0, le=_MOST_DELAY_S, description="Try this delay, in seconds.")
    count: int | None = Field(None, ge=0, le=_MOST_COUNT, description="Try this count.")
    latching: bool | None = Field(None, description="Try this latching.")
    annunciating: bool | None = Field(None, description="Try this annunciating.")


def what_if_router(services: Services) -> APIRouter:
    """`history/what-if`."""
    router = APIRouter(prefix=PREFIX + "/history", tags=["history"], responses=RESPONSES)
    one_at_a_time = asyncio.Lock()

    @router.get("/what-if", summary="What would other settings have changed?", response_model=WhatIfForm)
    async def what_if(question: Annotated[WhatIfQuestion, Query()]) -> Response:
        """Replay what is recorded of an alarm with other settings; without any, look for the smallest change that quiets it.

        The settings in force are those of the live tree. Of more events than can be replayed at once the newest are taken; a remark says
        so, as it says all else that has to be known to trust the answer.
        """
        if question.path is None:
            raise faulty_request([fault("query.path", "say which alarm: /config/system/.../pv")])
        tree = one_tree(services.live, question.config, question.path)
        alarm = tree.alarms.get(question.path)
        if alarm is None:
            raise Problem(404, f"there is no alarm {question.path[:200]}: a component is judged by `tocsin tune`")
        now = services.clock.now().wall
        within = read_range(question.start, question.end, now)
        if within.start >= now:
            raise faulty_request([fault("query.start", "lies in the future, of which nothing is recorded", question.start)])
        span = Range(tree.config, within.start, Nanos(min(within.end, now)))
        try:
            async with asyncio.timeout(_LONGEST_WAIT_S):
                await one_at_a_time.acquire()
        except TimeoutError:
            raise Problem(503, "other questions of this kind are being answered, one at a time: ask again in a minute") from None
        try:
            recording = await Gatherer(services.history, span, MOST_EVENTS).recording(question.path)
            judgement = await asyncio.to_thread(_judge, recording, alarm.settings, question)
        finally:
            one_at_a_time.release()
        return history_response(encode_judgement(judgement))

    return router


def _judge(recording: Recording, in_force: AlarmSettings, question: WhatIfQuestion) -> Judgement:
    given = {name: value for name in TUNED if (value := getattr(question, name)) is not None}
    return judge(recording, in_force, [replace(in_force, **given)]) if given else propose(recording, in_force)
