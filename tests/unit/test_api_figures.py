"""Figures, counts and the most frequent alarms: over HTTP, as rows, and on the command line."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest
import typer
from typer.testing import CliRunner

from alarm_engine.errors import SettingsError
from alarm_engine.journal.sqlite_file import SqliteFile
from alarm_engine.model.severity import Severity
from alarm_engine.model.state import EventId
from alarm_engine.model.times import NANOS_PER_SECOND, iso
from backend.api.figures_forms import CountsForm, FiguresForm, TopForm
from backend.history.sqlite import SqliteHistory
from backend.history.summariser import Summariser
from backend.kpi.targets import FIGURES, TARGETS, Limits, own_target
from backend.queries.registry import QUERIES
from backend.queries.request import BadQuestion, Sources, pairs_of, read_ask
from backend.services import BackendSettings
from tests.unit.backend_world import until, world
from tests.unit.kpi_events import Script, at
from tocsin.cli import history_figures
from tocsin.settings import load

S = Severity


def named(body: dict, name: str) -> dict:
    return next(figure for figure in body["figures"] if figure["name"] == name)


async def get(client, path: str, status: int = 200) -> dict:
    answer = await client.get(f"/api/v1/{path}")
    assert answer.status_code == status, answer.text
    return answer.json()


def flood() -> Script:
    """A shelved alarm, a flood of 12, one that chatters, and one that stands for two days."""
    script = Script()
    script.rise(at(), "/Site/A/stands")
    script.hide(at(hours=1), "/Site/B/shelved", until=at(days=9))
    for number in range(12):
        script.rise(at(hours=10, seconds=number), f"/Site/A/{number:02}")
    for number in range(12):
        script.clear(at(hours=10, minutes=2), f"/Site/A/{number:02}")
    for second in (0, 20, 40):
        script.pulse(at(hours=12, seconds=second), "/Site/B/chatters", seconds=1)
    script.acknowledge(at(days=2), "/Site/A/stands")
    script.clear(at(days=2, hours=1), "/Site/A/stands")
    return script


async def stored(history) -> None:
    await history.write([replace(event, id=EventId("Acc", *event.id[1:]), path="/Acc" + event.path[5:]) for event in flood().events])
    await Summariser(history.summaries, ["Acc"]).catch_up("Acc")


DAYS = f"start={iso(at())}&end={iso(at(days=3))}"


async def test_figures_with_lists_and_verdicts():
    async with world(engine=False) as site, site.client() as client:
        await stored(site.history)
        body = await get(client, f"figures?{DAYS}")
        FiguresForm.model_validate(body)
        assert (body["config"], body["path"], body["complete_from"]) == ("Acc", "/", iso(at()))
        assert (named(body, "peak_10_min")["value"], named(body, "peak_10_min")["verdict"]) == (12, "near")
        assert named(body, "per_day")["target"]["good"] == 144
        flood = body["floods"][0]
        assert (flood["start"], flood["peak"], flood["ongoing"]) == (iso(at(hours=10)), 12, False)
        assert flood["first"][0] == {"path": "/Acc/A/00", "time": iso(at(hours=10))}
        assert [one["path"] for one in body["chattering"]] == ["/Acc/B/chatters"]
        assert [(one["path"], one["since"], one["until"]) for one in body["stale"]] == [
            ("/Acc/A/stands", iso(at()), iso(at(days=2, hours=1)))
        ]
        assert [one["path"] for one in body["shelved"]] == ["/Acc/B/shelved"]
        part = await get(client, f"figures?{DAYS}&path=/Acc/B")
        assert (part["path"], part["floods"], len(part["chattering"])) == ("/Acc/B", [], 1)


async def test_a_path_that_never_was_has_no_figures_that_look_well():
    async with world(engine=False) as site, site.client() as client:
        await stored(site.history)
        body = await get(client, f"figures?{DAYS}&path=/Acc/Vacum", 404)
        assert body["message"] == "there is no alarm and no component /Acc/Vacum, now or in the range"
        await get(client, f"figures?{DAYS}&path=/Acc/Vacuum")  # one of now, of which nothing is stored


async def test_what_the_engine_does_not_vouch_for_is_not_called_quiet():
    async with world(engine=False) as site, site.client() as client:
        await stored(site.history)  # there is no life sign: after the last event nothing is known
        body = await get(client, f"figures?{DAYS}")
        assert body["complete_until"] == iso(at(days=2, hours=1))
        assert named(body, "per_day")["value"] == pytest.approx(16 / (2 + 1 / 24))


async def test_until_now_only_if_the_history_has_all_that_happened():
    async with world() as site, site.client() as client:
        await site.raised("/Acc/Vacuum/GC1")
        await site.copy_history()
        body = await get(client, "figures?start=-1h")
        assert body["complete_until"] >= iso(site.clock.now().wall - 30 * NANOS_PER_SECOND)
        assert named(body, "peak_10_min")["value"] == 1
        last = site.tree.freshness().as_of
        await site.raised("/Acc/Vacuum/GC2")
        await until(lambda: site.tree.freshness().as_of != last)
        body = await get(client, "figures?start=-1h")
        page = await get(client, "events?limit=1")
        assert body["complete_until"] == page["events"][0]["time"]


async def test_nothing_is_known_of_a_time_before_the_first_event():
    async with world() as site, site.client() as client:
        body = await get(client, "figures?start=2001-01-01T00:00Z&end=2001-02-01T00:00Z")
        assert (body["complete_from"], body["complete_until"], named(body, "per_day")["value"]) == (None, None, None)
        FiguresForm.model_validate(body)


async def test_counts_and_top():
    async with world(engine=False) as site, site.client() as client:
        await stored(site.history)
        body = await get(client, f"counts?{DAYS}&bucket=1h")
        CountsForm.model_validate(body)
        assert (body["bucket_s"], len(body["buckets"]), body["buckets"][10]["counts"]) == (3600, 72, {"MAJOR": 12})
        systems = await get(client, f"counts?{DAYS}&bucket=1d&by=system")
        assert systems["buckets"][0]["counts"] == {"A": 13, "B": 3}
        kinds = await get(client, f"counts?{DAYS}&bucket=1d&by=kind&path=/Acc/B")
        assert kinds["buckets"][0]["counts"] == {"alarm": 3, "cleared": 3, "shelved": 1}
        top = await get(client, f"top?{DAYS}&limit=2")
        TopForm.model_validate(top)
        assert top["alarms"][0] == {"path": "/Acc/B/chatters", "pv": "chatters", "count": 3}


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("counts?bucket=5s", "10 s to 1 day"),
        ("counts?bucket=2d", "10 s to 1 day"),
        ("counts?bucket=soon", "no span of time"),
        ("counts?by=colour", "by"),
        ("counts?bucket=10s&start=-100d", "ask for longer ones"),
        ("figures?start=-1d&end=-2d", "before the end"),
        ("figures?start=1980-01-01T00:00Z", "at most"),
        ("top?limit=0", "limit"),
        ("figures?colour=red", "not known"),
        ("figures?start=now-20y", "-2h, -7d"),
    ],
)
async def test_questions_that_make_no_sense(question, said):
    async with world(engine=False) as site, site.client() as client:
        assert said in (await get(client, question, 422))["message"]


async def test_a_site_has_limits_of_its_own(tmp_path):
    limits = Limits(flood_begins=12, targets={**TARGETS, "chattering": own_target("chattering", 1, 2)})
    async with world(engine=False, settings=BackendSettings(limits=limits)) as site, site.client() as client:
        await stored(site.history)
        body = await get(client, f"figures?{DAYS}")
        assert body["floods"] == []
        assert named(body, "busy_periods")["title"] == "Periods with more than 12"
        assert (named(body, "chattering")["verdict"], named(body, "chattering")["target"]["source"]) == ("met", "this site")
        assert tuple(figure["name"] for figure in body["figures"]) == FIGURES
        answer = (await client.get(f"/grafana/rows/figures?from={iso(at())}&to={iso(at(days=3))}")).json()
        assert {row["name"]: row["verdict"] for row in answer}["chattering"] == "met"


# ------------------------------------------------------------------ rows


async def rows(site, name, **given):
    sources = Sources(site.live.trees, site.history, site.clock.now().wall)
    found = await QUERIES[name].rows(sources, read_ask(pairs_of({"from": iso(at()), "to": iso(at(days=3)), **given}), sources.now))
    for row in found:
        assert list(row) == list(QUERIES[name].columns), name
    return found


async def test_rows_of_each_figure():
    async with world(engine=False) as site:
        await stored(site.history)
        figures = {row["name"]: row for row in await rows(site, "figures")}
        assert (figures["chattering"]["value"], figures["chattering"]["verdict"], figures["chattering"]["unit"]) == (
            1,
            "exceeded",
            "alarms",
        )
        assert figures["shelved"]["until"] == (at(days=2, hours=1)) // 1_000_000
        assert [(row["peak"], row["lasted"]) for row in await rows(site, "figures/floods")] == [(12, "10 min")]
        assert {row["count"] for row in await rows(site, "figures/periods")} == {1, 12, 3}
        assert [(row["stale"], row["shelved"]) for row in await rows(site, "figures/hidden")] == [(0, 0), (0, 1), (1, 1), (0, 1)]
        assert (await rows(site, "figures/frequent"))[0]["pv"] == "chatters"
        assert [row["pv"] for row in await rows(site, "figures/chattering")] == ["chatters"]
        assert await rows(site, "figures/fleeting") == []  # who chatters is not among them
        assert [row["pv"] for row in await rows(site, "figures/stale")] == ["stands"]


async def test_rows_of_counts():
    async with world(engine=False) as site:
        await stored(site.history)
        severities = await rows(site, "counts/severity", bucket=86_400)
        assert [(row["label"], row["count"]) for row in severities] == [("MAJOR", 16), ("MAJOR", 0), ("MAJOR", 0)]
        systems = await rows(site, "counts/system", bucket=86_400)
        assert [(row["label"], row["count"]) for row in systems[:2]] == [("A", 13), ("B", 3)]
        assert len(await rows(site, "counts/kind")) == 3 * 144 * 4
        with pytest.raises(BadQuestion, match="seconds from 10 to 86400"):
            await rows(site, "counts/kind", bucket=5)
        with pytest.raises(BadQuestion, match="neither true nor false"):
            await rows(site, "figures", lost="perhaps")


# ------------------------------------------------------------------ command line


@pytest.fixture
def ask(tmp_path, monkeypatch):
    file = tmp_path / "site.yaml"
    file.write_text(f"store: {tmp_path}/tocsin.db\nconfigurations:\n  - name: Acc\n    tree: {tmp_path}/none.yaml\n")
    monkeypatch.setenv("COLUMNS", "200")
    app = typer.Typer()
    app.callback()(lambda: None)
    history_figures.add_to(app)

    async def fill():
        store = SqliteHistory(SqliteFile(tmp_path / "tocsin.db"))
        await store.start()
        await stored(store)
        await store.close()

    asyncio.run(fill())
    return lambda *arguments: CliRunner().invoke(app, ["figures", "-s", str(file), *arguments])


def test_figures_on_the_command_line(ask):
    answer = ask("--start", iso(at()), "--end", iso(at(days=3)))
    assert answer.exit_code == 1, answer.output  # a target is exceeded
    assert "Chattering alarms" in answer.output
    assert "12 alarms, at most 12 in 10 minutes; first 00, 01, 02" in answer.output
    assert f"Complete from {iso(at())} until {iso(at(days=2, hours=1))}" in answer.output
    body = json.loads(ask("--start", iso(at()), "--end", iso(at(days=3)), "--path", "/Acc/B", "--json").output)
    FiguresForm.model_validate(body)
    assert (body["config"], body["path"], body["floods"]) == ("Acc", "/Acc/B", [])


def test_a_range_without_events_says_so(ask):
    answer = ask("--start", "2001-01-01T00:00Z", "--end", "2001-02-01T00:00Z")
    assert answer.exit_code == 0
    assert "Nothing of this range is stored." in answer.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--start", "soon"), "no time"),
        (("--path", "Acc/B"), "slash"),
        (("--start", "now", "--end", "-1d"), "before"),
        (("--start", iso(at()), "--path", "/Acc/Bee"), "there was no alarm and no component /Acc/Bee in the range"),
    ],
)
def test_arguments_that_make_no_sense(ask, arguments, said):
    answer = ask(*arguments)
    assert answer.exit_code == 2
    assert said in answer.output


# ------------------------------------------------------------------ settings


def test_limits_in_the_settings(tmp_path):
    file = tmp_path / "site.yaml"
    begin = "configurations:\n  - {name: Acc, tree: none.yaml}\nfigures:\n"
    file.write_text(begin + "  flood_begins: 20\n  targets: {per_day: [200, 400], low: [70, 50]}\n")
    limits = load(file).figures.limits()
    assert (limits.flood_begins, limits.flood_ends, limits.targets["per_day"].good) == (20, 5, 200)
    assert (limits.targets["low"].at_least, limits.targets["stale"]) == (True, TARGETS["stale"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("targets: {perday: [1, 2]}", "there is no figure perday"),
        ("targets: {per_day: [400, 200]}", "expected [good, bearable]"),
        ("targets: {low: [50, 70]}", "expected [good, bearable]"),
        ("flood_ends: 50", "would end where it begins"),
        ("flood_begins: 0", "flood_begins: 0"),
    ],
)
def test_limits_that_make_no_sense(tmp_path, text, said):
    file = tmp_path / "site.yaml"
    file.write_text(f"configurations:\n  - {{name: Acc, tree: none.yaml}}\nfigures:\n  {text}\n")
    with pytest.raises(SettingsError) as caught:
        load(file)
    assert said in str(caught.value)
