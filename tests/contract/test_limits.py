"""Whatever is cut off says so in the answer itself, which is all of it that reaches a panel: no list looks complete when it is not."""

from __future__ import annotations

import re

import pytest

from alarm_engine.model.command import CommandKind
from alarm_engine.model.path import name
from alarm_engine.model.severity import Severity
from alarm_engine.model.times import NANOS_PER_SECOND, to_ms
from backend.queries import audit, log, marks, variables
from backend.queries.registry import QUERIES
from backend.queries.request import pairs_of, read_ask
from tests.grafana_site import SAFE, TOP, V1, V2, V3, V4, running_site, scenario

BY_DEFINITION = {"top": "the most frequent", "figures/frequent": "the ten most frequent", "suggestions": "for the worst few"}
"""Lists of the first few of something, which their panels say, with a column that tells what part of all they are."""

ANNOUNCED = re.compile(r"\band (up to )?[\d,]+ more\b|^Only (the (newest|oldest) )?[\d,]+ ")
LIMITED = sorted(query.name for query in QUERIES.values() if "limit" in query.parameters and query.name not in BY_DEFINITION)


@pytest.fixture
async def site():
    """After a day with two of everything: chattering, fleeting, standing, shelved, acknowledged alarms, two people."""
    control = scenario()
    control.command(CommandKind.SHELVE, V3, reason="works", until=control.now.plus_s(200_000).wall)
    control.command(CommandKind.MAINTENANCE, "/Demo")
    for path in (V1, V2):
        for _ in range(4):
            control.sample(name(path), Severity.OK)
            control.command(CommandKind.ACKNOWLEDGE, path)
            control.advance(3)
            control.sample(name(path), Severity.MAJOR)
            control.advance(3)
    for path in (SAFE, TOP):
        control.sample(name(path), Severity.MINOR)
        control.advance(3)
        control.sample(name(path), Severity.OK)
        control.command(CommandKind.ACKNOWLEDGE, path)
    control.advance(30 * 3600)
    control.sample("DOOR", Severity.MINOR)
    control.command(CommandKind.ACKNOWLEDGE, SAFE)
    control.command(CommandKind.UNSHELVE, V4)
    control.command(CommandKind.SHELVE, V4, reason="again", until=control.now.plus_s(9000).wall)
    async with running_site(control) as site:
        yield site


async def rows(site, question, **given):
    given |= {"path": V1} if question.startswith("pv/") else {}
    start = to_ms(site.sources.now - 40 * 3600 * NANOS_PER_SECOND)
    return await QUERIES[question].rows(site.sources, read_ask(pairs_of({"config": "Demo", "from": start, **given}), site.sources.now))


def announced(found):
    return [cell for row in found for cell in row.values() if isinstance(cell, str) and ANNOUNCED.search(cell)]


@pytest.mark.parametrize("question", LIMITED)
async def test_a_list_that_is_cut_says_so_and_one_that_is_whole_does_not(site, question):
    whole = await rows(site, question)
    assert len(whole) > 1, f"{question}: nothing here could be cut"
    assert announced(whole) == []
    cut = await rows(site, question, limit=1)
    assert announced(cut[-1:] if "interval" not in question else cut), f"{question}: {cut}"


@pytest.mark.parametrize(
    ("question", "module", "bound"),
    [
        ("annotations/alarms", marks, "MARKS"),
        ("annotations/shelving", marks, "MARKS"),
        ("vars/systems", variables, "_MAX_OPTIONS"),
        ("vars/components", variables, "_MAX_OPTIONS"),
        ("vars/paths", variables, "_MAX_OPTIONS"),
        ("audit/users", audit, "MAX_PAGE"),
        ("events", log, "_MAX_EVENTS"),
    ],
)
async def test_a_bound_of_our_own_is_told_too(site, monkeypatch, question, module, bound):
    assert announced(await rows(site, question)) == []
    monkeypatch.setattr(module, bound, 1)
    assert announced(await rows(site, question))


async def test_what_says_that_there_is_more_is_no_choice(site):
    last = (await rows(site, "vars/paths", limit=1))[-1]
    assert re.fullmatch(r"and \d+ more, which can be typed", last["text"])
    assert last["value"] == ""
