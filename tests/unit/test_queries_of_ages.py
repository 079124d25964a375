"""The age of the data: in every answer about subsystems, and for the fields beside tables."""

from __future__ import annotations

import pytest

from tests.grafana_site import running_site
from tests.unit.test_queries_of_dashboards import rows


@pytest.mark.parametrize("question", ["systems", "component", "components", "totals", "past/systems"])
async def test_what_says_how_subsystems_are_says_how_old_that_is(question):
    async with running_site() as site:
        site.later(3)
        found = await rows(site, question)
        assert found
        assert {row["data_age"] for row in found} == {3.0}


@pytest.mark.parametrize("question", ["systems", "totals"])
async def test_without_a_life_sign_no_age_is_made_up(question):
    async with running_site(alive=False) as site:
        assert {row["data_age"] for row in await rows(site, question)} == {None}
        assert await rows(site, "age") == [{"config": "Demo", "data_age": None, "past_age": None}]


async def test_what_was_is_as_old_as_the_event_that_is_not_stored():
    async with running_site() as site:
        site.later(2)
        assert await rows(site, "age") == [{"config": "Demo", "data_age": 2.0, "past_age": 2.0}]
        del site.history._events[max(site.history._events)]
        (age,) = await rows(site, "age")
        (late,) = await rows(site, "alerting/history")
        assert age["data_age"] == 2.0
        assert age["past_age"] == late["lag"] > 2.0
