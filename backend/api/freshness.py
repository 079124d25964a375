"""How much a live answer can be trusted: in its body and, the same, in its headers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson
from fastapi import Response
from pydantic import BaseModel, Field

from backend.live import LiveTree


class Trust(BaseModel):
    """What every live answer says about itself."""

    as_of: str | None = Field(
        description="Id of the newest event that is in the answer; null before the first, and over several configurations."
    )
    age_s: float | None = Field(description="Seconds since the engine's last life sign; null: there never was one.")
    stale: bool = Field(description="The engine is silent, or the journal has not been read to its end: what is shown is old.")


def trust(trees: Iterable[LiveTree]) -> dict[str, Any]:
    """The members `as_of`, `age_s`, `stale`; over several configurations the worst of them."""
    found = [tree.freshness() for tree in trees]
    ages = [one.age_s for one in found]
    age_s = None if not ages or None in ages else round(max(age for age in ages if age is not None), 3)
    as_of = str(found[0].as_of) if len(found) == 1 and found[0].as_of else None
    return {"as_of": as_of, "age_s": age_s, "stale": any(one.stale for one in found) or not found}


def live_response(body: dict[str, Any], trees: Iterable[LiveTree]) -> Response:
    """A live answer: `body` with the three members, and the headers `X-Tocsin-As-Of`, `X-Tocsin-Age-S`, `X-Tocsin-Stale`."""
    members = trust(trees)
    headers = {
        "Cache-Control": "no-store",
        "X-Tocsin-As-Of": members["as_of"] or "",
        "X-Tocsin-Age-S": "" if members["age_s"] is None else str(members["age_s"]),
        "X-Tocsin-Stale": str(members["stale"]).lower(),
    }
    return Response(orjson.dumps(members | body), headers=headers, media_type="application/json")
