"""What the keys of the live table do, over a client whose updates are pushed by hand."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest
from textual import events

from tests.unit.live_alarms import NOW, alarm, beat, change, snapshot
from tocsin.client.types import CommandResult, Fresh, Outcome, Stale
from tocsin.terminal.app import LiveTable
from tocsin.terminal.dialogs import Ask
from tocsin.terminal.rows import View, Wish
from tocsin.terminal.trust import SIGHT_S

GC1, GC2, GC3 = (f"/Ring/Vacuum/GC{n}" for n in (1, 2, 3))


class Client:
    """Tells what is put into `updates`, and remembers commands."""

    def __init__(self):
        self.updates = asyncio.Queue()
        self.given = []

    @asynccontextmanager
    async def subscribe(self, **_):
        yield self.told()

    async def told(self):
        while True:
            yield await self.updates.get()

    def __getattr__(self, name):
        async def command(path, **given):
            self.given.append((name, path, given))
            return CommandResult(outcome=Outcome.DONE, id="1", command=name, path=path, user="mara", reason="", count=1)

        return command


@asynccontextmanager
async def table(*alarms, wish=None, size=(100, 20)):
    client = Client()
    app = LiveTable(client, ["Ring"], wish or Wish(), user="mara")
    async with app.run_test(size=size) as pilot:
        for update in (snapshot(*alarms), Fresh(as_of="Ring.1.1"), beat()):
            client.updates.put_nowait(update)
        await until(pilot, lambda: len(app.table.rows) == len(alarms) and not app.blind)
        app.sight.shown["Ring"] = [(-SIGHT_S, "Ring.1.1")]  # it has been looked at
        yield client, app, pilot


async def until(pilot, condition):
    for _ in range(500):
        if condition():
            return
        await pilot.pause(0.02)
    pytest.fail("waited in vain")


def seen(app):
    """What stands on the screen."""
    return "\n".join("".join(segment.text for segment in strip) for strip in app.screen._compositor.render_strips())


def type_ahead(app, *keys):
    """As a slow line or fast fingers bring them: all before the first is carried out."""
    for key in keys:
        app.post_message(events.Key(key, key if len(key) == 1 else None))


def shown(app):
    return [row.path for row in app.table.rows]


async def test_acknowledging_sends_the_reason_and_what_was_seen():
    async with table(alarm(GC1), alarm(GC2, ago=100)) as (client, app, pilot):
        await pilot.press("j", "a")
        await until(pilot, lambda: isinstance(app.screen, Ask))
        client.updates.put_nowait(change(9, alarm(GC2, "INVALID", ago=0)))
        await pilot.press(*"seen", "enter")
        await until(pilot, lambda: client.given)
        assert client.given == [("acknowledge", GC2, {"reason": "seen", "user": "mara", "seen": "Ring.1.1"})]
        await until(pilot, lambda: app.said)
        assert app.said[0][1].text == f"Done: {GC2} acknowledged."


async def test_what_is_selected_is_commanded_together():
    async with table(*(alarm(path, ago=n) for n, path in enumerate((GC1, GC2, GC3)))) as (client, app, pilot):
        await pilot.press("space", "j", "space", "d")
        await until(pilot, lambda: isinstance(app.screen, Ask))
        await pilot.press("enter")
        assert "Please give a reason" in str(app.screen.query_one("#problem").render())
        await pilot.press(*"test", "enter")
        await until(pilot, lambda: len(client.given) == 2)
        assert [(name, path) for name, path, _ in client.given] == [("disable", GC1), ("disable", GC3)]
        assert not app.table.marked


async def test_the_cursor_stays_with_its_alarm_and_with_nothing_when_that_goes():
    async with table(alarm(GC1, ago=100), alarm(GC2, ago=200)) as (client, app, pilot):
        client.updates.put_nowait(change(2, alarm(GC3, "INVALID", ago=0)))
        await until(pilot, lambda: shown(app) == [GC3, GC1, GC2])
        assert app.table.cursor == GC1
        client.updates.put_nowait(change(3, alarm(GC1, "OK")))
        await until(pilot, lambda: shown(app) == [GC3, GC2])
        await pilot.press("a")
        assert "has left the table" in app.said[0][1].text
        assert len(app.screen_stack) == 1
        await pilot.press("j")
        assert app.table.cursor == GC2


async def test_words_that_are_typed_are_no_commands():
    async with table(alarm(GC1), alarm(GC2, ago=100)) as (client, app, pilot):
        await pilot.press("slash", "g", "c", "2")
        assert (shown(app), app.wish.view, len(app.screen_stack)) == ([GC2], View.STANDING, 1)
        assert str(app.narrowing.render()) == "FILTER  1 of 2: with gc2"
        await pilot.press("enter")
        assert app.table.cursor == GC2
        await pilot.press("escape")
        assert shown(app) == [GC1, GC2]
        assert not client.given


async def test_old_alarms_are_grey_and_take_no_commands():
    async with table(alarm(GC1)) as (client, app, pilot):
        client.updates.put_nowait(Stale(since=NOW, why="the engine is silent"))
        await until(pilot, lambda: app.blind)
        await pilot.press("a", "s")
        assert (len(app.screen_stack), client.given) == (1, [])
        assert str(app.banner.render()).startswith("STALE  Not the present since")
        client.updates.put_nowait(change(2, alarm(GC1, "OK")))
        await until(pilot, lambda: not shown(app))
        assert "NOT KNOWN" in str(app.empty.render())
        client.updates.put_nowait(Fresh(as_of="Ring.1.2"))
        await until(pilot, lambda: not app.blind)
        assert str(app.empty.render()) == "No alarms. The engine is live."


@pytest.mark.parametrize("size", [(20, 6), (40, 12), (80, 24), (200, 50)])
async def test_thousands_of_alarms_scroll_at_any_size(size):
    many = [alarm(f"/Ring/Vacuum/GC{n}", ago=n) for n in range(3000)]
    async with table(*many, size=size) as (client, app, pilot):
        found = app.table
        await until(pilot, lambda: found.size.height > 1 and found.max_scroll_y == len(many) + 1 - found.size.height)
        await pilot.press("G")
        assert app.table.cursor == many[-1].path
        assert app.table.scroll_offset.y == len(many) - app.table.size.height + 1
        client.updates.put_nowait(change(2, alarm(GC1 + "0000", "INVALID", ago=0)))
        await until(pilot, lambda: len(app.table.rows) == 3001)
        assert app.table.scroll_offset.y == 3001 - app.table.size.height + 1  # the row under the cursor has not moved
        await pilot.press("g", "k")
        assert app.table.cursor == GC1 + "0000"


async def test_only_lines_that_differ_are_painted():
    async with table(*(alarm(f"/Ring/Vacuum/GC{n}", ago=200_000 + n) for n in range(10))) as (_, app, pilot):
        await until(pilot, lambda: "GC9" in seen(app))
        app.table.paint()
        painted = []
        app.table.refresh = lambda *regions, **_: painted.extend(regions)
        app.table.paint()
        assert painted == []
        await pilot.press("j")
        assert sorted(region.y for region in painted) == [1, 2]


async def test_a_command_typed_right_after_a_filter_is_for_an_alarm_that_passes():
    async with table(alarm(GC1), alarm(GC2, ago=100), alarm(GC3, ago=200)) as (client, app, pilot):
        type_ahead(app, "slash", "g", "c", "3", "enter", "a")
        await until(pilot, lambda: isinstance(app.screen, Ask))
        assert (shown(app), app.table.cursor) == ([GC3], GC3)
        await pilot.press("enter")
        await until(pilot, lambda: client.given)
        assert [path for _, path, _ in client.given] == [GC3]
        assert app.wish.words == ("gc3",)


async def test_a_command_typed_right_after_a_filter_that_nothing_passes_is_for_nothing():
    async with table(alarm(GC1), alarm(GC2, ago=100)) as (client, app, pilot):
        type_ahead(app, "slash", "x", "y", "z", "enter", "a")
        await until(pilot, lambda: app.said)
        assert "has left the table" in app.said[0][1].text
        assert (shown(app), len(app.screen_stack), client.given) == ([], 1, [])
        type_ahead(app, "slash", "1", "escape")
        await until(pilot, lambda: shown(app) == [GC1, GC2])
        assert app.words.value == ""


async def test_a_command_is_for_nothing_if_its_alarm_has_left_since_the_table_was_painted():
    async with table(alarm(GC1), alarm(GC2, ago=100)) as (client, app, _):
        app.rows.take_change("Ring", change(2, alarm(GC1, "OK")))
        await app.run_action("order('a')")
        assert "has left the table" in app.said[0][1].text
        assert (len(app.screen_stack), client.given) == (1, [])


async def test_where_all_that_was_selected_has_left_no_other_alarm_is_commanded():
    async with table(alarm(GC1), alarm(GC2, ago=100)) as (client, app, pilot):
        await pilot.press("space")
        assert app.table.cursor == GC2
        client.updates.put_nowait(change(2, alarm(GC1, "OK")))
        await until(pilot, lambda: shown(app) == [GC2])
        await pilot.press("a")
        assert app.said[0][1].text == "What you selected has left the table. Choose one."
        assert (len(app.screen_stack), client.given) == (1, [])
        await pilot.press("a")
        assert isinstance(app.screen, Ask)


@pytest.mark.parametrize("size", [(80, 24), (200, 50)])
async def test_the_page_of_keys_can_be_read_to_its_end(size):
    async with table(alarm(GC1), size=size) as (_, app, pilot):
        await pilot.press("question_mark")
        await until(pilot, lambda: "not seen" in seen(app))
        assert all(words in seen(app) for words in ("row", "all must be there", "s or d has hidden", "the other way round", "esc: close"))


async def test_the_page_of_keys_scrolls_where_it_does_not_fit():
    async with table(alarm(GC1), size=(44, 12)) as (_, app, pilot):
        await pilot.press("question_mark")
        await until(pilot, lambda: "PgUp PgDn" in seen(app))
        assert "esc: close" not in seen(app)
        await pilot.press(*["j"] * 30)
        await until(pilot, lambda: "esc: close" in seen(app))


@pytest.mark.parametrize("size", [(80, 24), (44, 14)])
async def test_shelving_says_at_once_that_a_reason_is_needed(size):
    async with table(alarm(GC1), size=size) as (client, app, pilot):
        await pilot.press("s")
        await until(pilot, lambda: isinstance(app.screen, Ask))
        await pilot.press("enter")
        await until(pilot, lambda: "Please give a reason" in seen(app))
        await pilot.press("enter")
        await until(pilot, lambda: "Please give a reason" in seen(app))
        assert not client.given


@pytest.mark.parametrize(("duration", "said"), [("401d", "more than 400 days"), ("soon", "no span of time"), ("0h", "no span of time")])
async def test_shelving_says_at_once_that_a_span_will_not_do(duration, said):
    async with table(alarm(GC1)) as (client, app, pilot):
        await pilot.press("s")
        await until(pilot, lambda: isinstance(app.screen, Ask))
        await pilot.press(*duration, "enter")
        await until(pilot, lambda: said in seen(app))
        assert not client.given
