"""The wall can be read from 5 m: sizes of its texts, from its geometry and the way in which Grafana lays out stat panels.

How Grafana does it was read in its `BigValueLayout`: a text needs 1.2 times its size, with 8 pixels of padding around it, or 12 in fields
over 100 pixels; without a size of its own a value is as large as fits, and its longest text decides. What a browser makes of it is not
tested here.
"""

from __future__ import annotations

import json

import pytest

from alarm_engine.config.tree import arrange
from alarm_engine.model.settings import AlarmSettings
from alarm_engine.model.severity import Severity
from dashboards.build import build
from tests.grafana_site import V1, running_site, scenario
from tests.unit.test_queries_of_dashboards import rows

WIDTH, HEIGHT = 1920, 1080
"""CSS pixels of the screen; at 3840 the browser runs at 200 %, so that they are the same."""
LOST = 120
"""Pixels of the height that a kiosk with fitted panels leaves below, at most."""
GAP, HEADER = 8, 40
LINE_HEIGHT, PER_CHARACTER = 1.2, 0.6
"""The height of a line, and the mean width of a character of Grafana's font in capitals, in parts of its size."""
READABLE = 50
"""Pixels on 55 inches: capitals of 23 mm, the least for 5 m (16 minutes of arc)."""


@pytest.fixture
def wall():
    tree = arrange("Ring", "UTC", {}, {f"/Ring/S{n}/P": AlarmSettings("x") for n in range(8)})
    return {one["title"]: one for one in json.loads(build([tree])["Ring/tocsin-Ring_wall.json"])["panels"]}


def field(wall, title, across=1, down=1):
    """Width and height of a field of a panel in pixels, without its padding."""
    rows = max(one["gridPos"]["y"] + one["gridPos"]["h"] for one in wall.values())
    place = wall[title]["gridPos"]
    width = (WIDTH / 24 * place["w"] - GAP) / across
    header = 0 if wall[title].get("transparent") else HEADER
    height = ((HEIGHT - LOST) / rows * place["h"] - GAP - header) / down
    padding = 12 if height > 100 else 8
    return width - 2 * padding, height - 2 * padding


def sizes(wall, title):
    return wall[title]["options"]["text"]["titleSize"], wall[title]["options"]["text"]["valueSize"]


def test_nothing_on_it_has_texts_that_grafana_does_not_let_us_size(wall):
    assert {one["type"] for one in wall.values()} == {"stat"}, "tables have 14 pixels, axes 12"


@pytest.mark.parametrize(("title", "across", "down"), [("Subsystems", 4, 2), ("Alarms now", 6, 1), ("Newest unacknowledged", 1, 4)])
def test_what_matters_has_a_size_of_its_own_and_fits(wall, title, across, down):
    name, value = sizes(wall, title)
    assert value >= READABLE
    if title == "Newest unacknowledged":
        assert wall[title]["options"]["reduceOptions"]["limit"] == down + 1, (
            "one more while the engine is silent: tight, but then all is old"
        )
    width, height = field(wall, title, across, down)
    needed = LINE_HEIGHT * (value if wall[title]["options"]["textMode"] == "value" else name + value)
    assert needed <= height, f"{title}: {needed} pixels in {height:.0f}"
    longest = {"Subsystems": "UNDEF 99/999", "Alarms now": "9999", "Newest unacknowledged": "x" * 64}[title]
    per_character = 0.55 if title == "Newest unacknowledged" else PER_CHARACTER  # mostly small letters
    assert len(longest) * per_character * value <= width


def test_names_of_subsystems_can_be_read_as_well(wall):
    name, _ = sizes(wall, "Subsystems")
    assert name >= READABLE
    assert len("Personnel") * PER_CHARACTER * name <= field(wall, "Subsystems", 4, 2)[0]


@pytest.mark.parametrize(("title", "text"), [("Alarm engine", "LIVE"), ("Alarm engine", "STALE"), ("Age of data", "9.9 s")])
def test_what_is_as_large_as_fits_is_large(wall, title, text):
    assert "text" not in wall[title]["options"]
    width, height = field(wall, title)
    assert min(height / LINE_HEIGHT, width / (len(text) * PER_CHARACTER)) >= READABLE


def test_a_kiosk_of_3840_pixels_is_told_to_double_them(wall):
    data = json.loads(build([arrange("Ring", "UTC", {}, {"/Ring/S/P": AlarmSettings("x")})])["Ring/tocsin-Ring_wall.json"])
    assert "200 %" in data["description"]


async def test_a_line_keeps_what_it_is_and_since_when(wall):
    control = scenario({V1: AlarmSettings("A description that is much longer than any line on a wall, however large, has room for")})
    control.sample("V1", Severity.MAJOR)
    control.advance(3 * 3600)
    async with running_site(control) as site:
        (row,) = await rows(site, "newest")
    assert row["line"].startswith("MAJOR V1  A description that")
    assert row["line"].endswith("…  3 h")
    assert len(row["line"]) <= 64
