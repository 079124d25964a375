"""The demo machine, its tree and the copy of it for users: they must fit each other, and be worth looking at."""

import re
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest

from alarm_engine.config.load import load_tree, read_tree
from alarm_engine.config.tree import ConfigTree
from alarm_engine.model import path as paths
from tocsin.demo.faults import FAULTS, READ_FAILURE, Effect, Fault
from tocsin.demo.machine import Group, database, signals
from tocsin.demo.signals import Analog, Discrete, Limits, Severity, State
from tocsin.demo.simulation import Put, Simulation
from tocsin.settings import load

ROOT = Path(__file__).parents[2]
TREE = ROOT / "tocsin/demo/tree"
EXAMPLE = ROOT / "examples/demo"
SUBSYSTEMS = {"Vacuum", "RF", "Magnets", "Cooling", "Cryo", "Diagnostics", "Timing", "Personnel Safety"}
ALL = tuple(signal for group in Group for signal in signals(group))
BY_PV = {signal.pv: signal for signal in ALL}


@pytest.fixture(scope="module")
def tree() -> ConfigTree:
    return read_tree(TREE)


def test_the_tree_has_no_faults() -> None:
    assert [str(fault) for fault in load_tree(TREE).faults] == []


def test_the_tree_watches_all_that_the_iocs_serve_and_nothing_else(tree: ConfigTree) -> None:
    served = re.findall(r'^record\(\w+, "([^"]+)"\)', "".join(database(group) for group in Group), re.MULTILINE)
    assert len(served) == len(set(served))
    assert {paths.name(path) for path in tree.alarms} == set(served)
    assert 190 <= len(tree.alarms) <= 230


def test_the_tree_has_the_subsystems(tree: ConfigTree) -> None:
    assert tree.name == "Demo"
    assert {paths.name(path) for path in tree.nodes if paths.parent(path) == tree.root} == SUBSYSTEMS


def test_the_tree_shows_what_a_tree_can_do(tree: ConfigTree) -> None:
    alarms = tree.alarms.values()
    for wanted in ("latching", "annunciating", "enabled"):
        assert {getattr(alarm, wanted) for alarm in alarms} == {True, False}, wanted
    assert any(alarm.delay_s and alarm.count for alarm in alarms)
    assert sum(bool(alarm.guidance) for alarm in alarms) > 50
    for path, node in tree.nodes.items():
        if paths.parent(path) == tree.root:
            assert node.guidance, path
            assert node.displays, path


def test_the_example_is_a_copy_of_the_tree() -> None:
    def texts(directory: Path) -> dict[str, str]:
        return {path.name: path.read_text(encoding="utf-8") for path in directory.glob("*.yaml") if path.name != "site.yaml"}

    assert texts(EXAMPLE) == texts(TREE), (
        "examples/demo and tocsin/demo/tree differ. Change the latter, then renew the copy and commit it:\n"
        "    cp tocsin/demo/tree/*.yaml examples/demo/"
    )


def test_the_settings_of_the_example_are_valid() -> None:
    settings = load(EXAMPLE / "site.yaml")
    assert [configuration.tree for configuration in settings.configurations] == [EXAMPLE / "tree.yaml"]


def test_the_remote_ioc_is_a_small_part() -> None:
    assert 6 <= len(signals(Group.REMOTE)) <= 10


@pytest.mark.parametrize("signal", ALL, ids=lambda signal: signal.pv)
def test_a_record_can_hold_its_fields(signal: Analog | Discrete) -> None:
    assert len(signal.pv) <= 60
    assert 0 < len(signal.description) <= 40
    if isinstance(signal, Analog):
        limits = [limit for limit in (signal.limits.lolo, signal.limits.low, signal.limits.high, signal.limits.hihi) if limit is not None]
        assert limits == sorted(limits)
        for value in (signal.normal - 8 * signal.noise, signal.normal + 8 * signal.noise):
            assert signal.severity(value) is Severity.OK, "noise alone would be an alarm"
        assert round(signal.normal, signal.precision) == pytest.approx(signal.normal), "the precision hides the value"
    else:
        labels = [state.label for state in signal.states]
        assert 2 <= len(labels) == len(set(labels)) <= 8
        assert max(map(len, labels)) <= 25
        assert signal.severity(signal.normal) is Severity.OK


def test_an_analog_record() -> None:
    assert Analog("A:P", "A pressure", "bar", 7.4, 0.05, Limits(lolo=5, high=8.5), 2).record() == (
        'record(ai, "A:P") {\n  field(DESC, "A pressure")\n  field(EGU, "bar")\n  field(PREC, "2")\n  field(VAL, "7.4")\n'
        '  field(PINI, "YES")\n  field(LOLO, "5")\n  field(LLSV, "MAJOR")\n  field(HIGH, "8.5")\n  field(HSV, "MINOR")\n'
        '  field(HYST, "0.2")\n}\n'
    )


def test_discrete_records() -> None:
    good, bad, worse = State("Shut"), State("Open", Severity.MINOR), State("Lost", Severity.INVALID)
    assert Discrete("A:S", "A", (good, bad)).record() == (
        'record(bi, "A:S") {\n  field(DESC, "A")\n  field(VAL, "0")\n  field(PINI, "YES")\n'
        '  field(ZNAM, "Shut")\n  field(ZSV, "NO_ALARM")\n  field(ONAM, "Open")\n  field(OSV, "MINOR")\n}\n'
    )
    assert Discrete("A:S", "A", (good, bad, worse)).record().startswith('record(mbbi, "A:S")')
    assert 'field(TWSV, "INVALID")' in Discrete("A:S", "A", (good, bad, worse)).record()


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_is_an_alarm_on_signals_that_exist(fault: Fault) -> None:
    for effect in fault.effects:
        signal = BY_PV[effect.pv]
        if effect.to is READ_FAILURE:
            continue
        if isinstance(signal, Analog):
            assert isinstance(effect.to, int | float)
            for noise in (-3 * signal.noise, 3 * signal.noise):
                assert signal.severity(effect.to + noise) is not Severity.OK, f"{effect.pv} is no alarm"
        else:
            assert signal.severity(str(effect.to)) is not Severity.OK, f"{effect.pv} is no alarm"


def test_four_signals_chatter() -> None:
    assert len({effect.pv for fault in FAULTS for effect in fault.effects if effect.chatter_s}) == 4


@pytest.fixture(scope="module")
def hour() -> list[dict[str, Severity]]:
    """Severities of all signals, second by second."""
    simulation = Simulation(ALL, FAULTS, Random(1))
    seconds = []
    for now_s in range(3600):
        simulation.step(now_s)
        seconds.append(simulation.severities())
    return seconds


def test_the_machine_is_neither_dead_nor_in_a_flood(hour: list[dict[str, Severity]]) -> None:
    assert set(hour[0].values()) == set(Severity), "not every severity is there from the start"
    standing = [sum(severity is not Severity.OK for severity in second.values()) for second in hour]
    assert sum(5 <= count <= 15 for count in standing) > 0.8 * len(standing)
    assert min(standing) >= 1
    assert max(standing) <= 30
    changes = [now_s for now_s, (before, after) in enumerate(pairwise(hour)) for pv in after if before[pv] != after[pv]]
    assert 2 <= len(hour) / len(changes) <= 10
    assert max(later - earlier for earlier, later in pairwise(changes)) < 90


def test_personnel_safety_is_mostly_quiet(hour: list[dict[str, Severity]]) -> None:
    alarmed = sum(any(severity is not Severity.OK for pv, severity in second.items() if pv.startswith("PSS:")) for second in hour)
    assert 0 < alarmed < len(hour) / 10


def run(signal: Analog | Discrete, effect: Effect, until_s: int) -> list[list[Put]]:
    fault = Fault("test", 2, (2, 2), (100, 100), (effect,))
    simulation = Simulation([signal], [fault], Random(0))
    return [simulation.step(1000 + second) for second in range(until_s)]


def test_a_device_is_written_when_it_changes() -> None:
    device = Discrete("A", "a", (State("On"), State("Off", Severity.MAJOR)))
    assert run(device, Effect("A", "Off"), 6) == [[], [], [Put("A", "Off")], [], [Put("A", "On")], []]


def test_a_read_failure_makes_the_record_read_what_is_no_number() -> None:
    number = Analog("A", "a", "", 5, 0, Limits(high=8))
    good = Put("A", "5")
    # Written in every other step; with a fault at once.
    assert run(number, Effect("A", READ_FAILURE), 6) == [
        [good],
        [],
        [Put("A.INP", "A.DESC NPP NMS"), Put("A.PROC", "1")],
        [],
        [Put("A.INP", ""), good],
        [],
    ]


def test_a_ramp_and_an_effect_on_another_ioc() -> None:
    number = Analog("A", "a", "", 5, 0, Limits(high=8))
    puts = run(number, Effect("A", 10, ramp_s=1), 4)
    assert puts[2:] == [[Put("A", f"{round(5 + 5 * 0.632, 1):g}")], [Put("A", f"{round(10 - 5 * 0.1353, 1):g}")]]
    assert run(number, Effect("B", 10), 4) == [[Put("A", "5")], [], [Put("A", "5")], []]
