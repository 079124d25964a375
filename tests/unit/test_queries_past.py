"""Rows about the past: filters of events, moments, differences, acknowledgements."""

from __future__ import annotations

import pytest

from alarm_engine.model.times import NANOS_PER_SECOND, to_ms
from backend.queries.registry import QUERIES
from backend.queries.request import BadQuestion, pairs_of, read_ask
from tests.grafana_site import GONE, ODD, SAFE, TOP, V1, V2, V4, running_site
from tests.unit.evaluating import START


@pytest.fixture
async def site():
    async with running_site() as site:
        yield site


async def rows(site, name, **given):
    pairs = pairs_of({"config": "Demo", **given})
    found = await QUERIES[name].rows(site.sources, read_ask(pairs, site.sources.now))
    assert all(tuple(row) == tuple(QUERIES[name].columns) for row in found)
    return found


def ms(seconds):
    """That many seconds after the begin of the scenario."""
    return to_ms(START.wall + round(seconds * NANOS_PER_SECOND))


async def test_events_with_every_filter(site):
    every = await rows(site, "events", **{"from": ms(3500)})
    assert {row["pv"] for row in await rows(site, "events", pv="V?", **{"from": ms(3500)})} == {"V1", "V2", "V4"}
    acks = await rows(site, "events", kind="acknowledged", **{"from": ms(3500)})
    assert [row["kind"] for row in acks] == ["acknowledged"] * 5
    assert len(await rows(site, "events", kind=["acknowledged", "shelved"], **{"from": ms(3500)})) == 6
    user = acks[0]["by"]
    assert [row["by"] for row in await rows(site, "events", user=user, kind="shelved", **{"from": ms(3500)})] == [user]
    assert [row["id"] for row in await rows(site, "events", order="oldest", **{"from": ms(3500)})] == [row["id"] for row in every][::-1]
    assert [row["id"] for row in await rows(site, "events", after=every[2]["id"], **{"from": ms(3500)})] == [row["id"] for row in every[3:]]
    both = await rows(site, "events", path=[V2, V4, "/Demo/Vacuum/Sector 1/V4"], **{"from": ms(3500)})
    assert {row["path"] for row in both} == {V2, V4}
    nested = await rows(site, "events", path=[V2, "/Demo/Vacuum"], **{"from": ms(3500)})
    assert len(nested) == len(await rows(site, "events", path="/Demo/Vacuum", **{"from": ms(3500)}))


async def test_lines_of_a_list_of_alarms(site):
    lines = await rows(site, "pv_intervals", path=[V1, GONE], **{"from": ms(3500)})
    assert {row["pv"] for row in lines} == {"V1", "sim://cavity"}


async def test_one_path_is_not_several(site):
    with pytest.raises(BadQuestion, match="takes one, not 2"):
        await rows(site, "counts", path=[V1, V2])


@pytest.mark.parametrize(
    ("given", "word"), [({"kind": "party"}, "kind"), ({"order": "odd"}, "newest"), ({"after": "7"}, "after"), ({"at": "x"}, "at")]
)
async def test_what_cannot_be_understood(site, given, word):
    with pytest.raises(BadQuestion, match=word):
        await rows(site, "events", **given)


async def test_the_subsystems_at_a_moment(site):
    now = {row["system"]: row["tile"] for row in await rows(site, "systems")}
    then = {row["system"]: row["tile"] for row in await rows(site, "past/systems")}
    assert then == now
    before = {row["system"]: row["tile"] for row in await rows(site, "past/systems", at=ms(3610))}
    assert before == {ODD: "INVALID 1/1", "Personnel Safety": "OK", "RF": "UNDEFINED 1/1", "Vacuum": "MAJOR 2/2", "(top level)": "OK"}
    assert [row["system"] for row in await rows(site, "past/systems", at=ms(3610), system="Vacuum")] == ["Vacuum"]
    quiet = {row["worst"] for row in await rows(site, "past/systems", at=ms(3599))}
    assert quiet == {"OK"}


async def test_a_moment_of_which_nothing_is_known_is_not_calm(site):
    [row] = await rows(site, "past/systems", at=ms(-10))
    assert (row["tile"], row["remark"]) == ("STALE", "nothing was recorded by then")
    assert [row["severity"] for row in await rows(site, "past/alarms", at=ms(-10))] == ["STALE"]
    site.later(60)
    assert {row["tile"] for row in await rows(site, "past/systems")} == {"STALE"}
    assert "not all is known" in (await rows(site, "past/alarms"))[0]["description"].lower()
    assert {row["tile"] for row in await rows(site, "past/systems", at=ms(3610))} != {"STALE"}


async def test_alarms_at_a_moment(site):
    found = await rows(site, "past/alarms", at=ms(3610))
    assert [(row["severity"], row["path"]) for row in found][1:] == [
        ("INVALID", f"/Demo/{ODD}/X"),
        ("MAJOR", V4),
        ("MINOR", V2),
    ]
    assert found[0]["path"] == GONE
    assert [row["path"] for row in await rows(site, "past/alarms", severity="MINOR", at=ms(3610))] == [V2]
    assert [row["path"] for row in await rows(site, "past/alarms", path=[V2, SAFE], at=ms(3610))] == [V2]
    last = await rows(site, "past/alarms", path="/Demo/Vacuum")
    assert {row["severity"] for row in last if row["path"] == V4} == {"SHELVED"}
    cut = await rows(site, "past/alarms", at=ms(3610), limit=1)
    assert "and 3 more" in cut[-1]["description"]
    assert await rows(site, "past/alarms", path="/Demo/Vacum", at=ms(3610)) == []
    [calm] = await rows(site, "past/alarms", at=ms(3599))
    assert (calm["severity"], calm["description"]) == ("OK", "No alarm stood")


async def test_what_changed_in_the_range(site):
    found = await rows(site, "past/changes", **{"from": ms(3599), "to": ms(3610)})
    assert {(row["path"], row["before"], row["after"]) for row in found} == {
        (GONE, "OK", "UNDEFINED"),
        (f"/Demo/{ODD}/X", "OK", "INVALID"),
        (V4, "OK", "MAJOR"),
        (V2, "OK", "MINOR"),
    }
    [none] = await rows(site, "past/changes", system="(top level)", **{"from": ms(3599), "to": ms(3610)})
    assert none["description"] == "No alarm differs"
    assert await rows(site, "past/changes", path="/Demo/Vacum", **{"from": ms(3599), "to": ms(3610)}) == []
    assert [row["after"] for row in await rows(site, "past/changes", path=V4, **{"from": ms(3610)})] == ["SHELVED"]
    assert TOP not in {row["path"] for row in found}


async def test_who_acknowledged_what(site):
    found = await rows(site, "acknowledgements", **{"from": ms(3500)})
    assert [(row["pv"], round(row["delay"], 1)) for row in found] == [("V1", 5.0)] * 4 + [("V2", 600.0)]
    assert [row["pv"] for row in await rows(site, "acknowledgements", path=V2, **{"from": ms(3500)})] == ["V2"]
    cut = await rows(site, "acknowledgements", limit=2, **{"from": ms(3500)})
    assert "Only 2" in cut[-1]["description"]
    [nobody] = await rows(site, "acknowledgements", user="nobody", **{"from": ms(3500)})
    assert "Nobody" in nobody["description"]
