"""The checker is no use unless it finds what happens without our protections: a split brain, and blips that nobody saw."""

from __future__ import annotations

import signal

import pytest

from tests.chaos.checker import check
from tests.chaos.plant import Plant, PlantOptions
from tests.chaos.scenario import settle
from tests.kafka_jars import Missing, check_tools

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]


@pytest.fixture(autouse=True)
def _tools():
    try:
        check_tools()
    except Missing as problem:
        pytest.skip(str(problem))


def without(what: str) -> PlantOptions:
    return PlantOptions(without=[what], alarms=8, backend=False, history=False)


def test_without_kept_inputs_the_blip_is_lost(tmp_path):
    with Plant(tmp_path, without("inputs")) as plant:
        leader = plant.await_leader()
        pv = next(pv for pv in plant.iocs[0].pvs if "Latch" in pv)
        plant.engines[leader].end()
        plant.iocs[0].change(pv, "MAJOR")
        plant.iocs[0].change(pv, "OK")
        plant.recover_engines()
        lost = [violation for violation in check(settle(plant)) if violation.rule == "lost"]
    assert all(pv in violation.what for violation in lost), lost
    assert any("was MAJOR" in violation.what for violation in lost), lost


def test_with_them_it_is_there(tmp_path):
    with Plant(tmp_path, PlantOptions(alarms=8, backend=False, history=False)) as plant:
        leader = plant.await_leader()
        pv = next(pv for pv in plant.iocs[0].pvs if "Latch" in pv)
        plant.engines[leader].end()
        plant.iocs[0].change(pv, "MAJOR")
        plant.iocs[0].change(pv, "OK")
        plant.recover_engines()
        evidence = settle(plant)
    assert check(evidence) == []
    last = evidence.events_of[plant.leaves[pv].path][-1]
    assert (last.current[0], last.data["to"]) == ("OK", "MAJOR")  # latched, though the PV was back before anybody took over


def test_without_fencing_there_is_a_split_brain(tmp_path):
    with Plant(tmp_path, without("fencing")) as plant:
        for ioc in plant.iocs:
            plant.load(ioc)
        leader, other = plant.await_leader(), plant.standby()
        plant.engines[leader].signal(signal.SIGSTOP)
        plant.until(lambda: plant.evaluates(other), "the other engine to take over")
        plant.engines[leader].signal(signal.SIGCONT)
        plant.until(lambda: "split brain" in {violation.rule for violation in check(plant.evidence(calm=False))}, "a split brain")
