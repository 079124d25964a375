"""The alarm logic against what the Phoebus alarm server does."""

from pathlib import Path

import pytest

from tests.conformance.steps import load_cases, run_case

CASES = load_cases(Path(__file__).parents[1] / "data/alarm_logic_cases.json")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_every_step_is_as_recorded(case):
    assert run_case(case).deviations == ()


def test_the_table_is_complete():
    assert len(CASES) == 41
    assert sum(len(case["steps"]) for case in CASES) > 212
