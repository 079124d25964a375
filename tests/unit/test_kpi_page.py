"""The page about the figures names all of them, with the targets that the code has."""

from __future__ import annotations

import re
from pathlib import Path

from backend.kpi.figures import figures
from backend.kpi.targets import TARGETS
from tests.unit.kpi_events import Script, at, summaries

PAGE = (Path(__file__).parents[2] / "docs/explanations/alarm-figures.md").read_text("utf-8")
ROWS = [line.split(" | ") for line in PAGE.splitlines() if line.startswith("| `")]


def names(row: list[str]) -> list[str]:
    return re.findall(r"`(\w+)`", row[0])


def numbers(cell: str) -> list[float]:
    return [float(number) for number in re.findall(r"\d+", cell)]


def test_each_figure_has_a_row_in_the_order_of_the_page():
    script = Script()
    script.rise(at(1), "/Site/S/a")
    found = figures(at(), at(hours=1), summaries(script.events, at(hours=1)))
    assert [figure.name for figure in found.figures] == [name for row in ROWS for name in names(row)]
    assert found.figure("per_day").title == "Annunciated per day"


def test_targets_of_the_page_are_those_of_the_code():
    for row in ROWS:
        for position, name in enumerate(names(row)):
            target, near = numbers(row[2]), numbers(row[3])
            if name not in TARGETS:
                assert target == []
                continue
            assert target[min(position, len(target) - 1)] == TARGETS[name].good, name
            if TARGETS[name].bearable != TARGETS[name].good:
                assert near[min(position, len(near) - 1)] == TARGETS[name].bearable, name
            assert ("<" in row[2]) is TARGETS[name].strictly, name


def test_the_drawing_of_a_flood():
    script = Script()
    for minute, number in ((0, 4), (10, 12), (20, 6), (30, 4)):
        for n in range(number):
            script.rise(at(n, hours=10, minutes=minute), f"/Site/S/{minute}-{n}")
    (flood,) = figures(at(hours=10), at(hours=11), summaries(script.events, at(hours=11))).floods
    assert (flood.start, flood.end) == (at(hours=10, minutes=10), at(hours=10, minutes=30))
