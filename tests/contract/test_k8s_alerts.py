"""The alert rules, evaluated by Prometheus' own tool: two sites in one Prometheus, and each fault at one of them only."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest

from tests.k8s import prometheus
from tests.k8s.building import ROOT, overlay

pytestmark = pytest.mark.timeout(600)  # of all cases together

LINAC, RING = "tocsin-linac", "tocsin-ring"
CONFIGS = {LINAC: "Linac", RING: "Ring"}
AT_MIN = 50
"""When it is looked at; faults begin some minutes before."""
LONG = AT_MIN
"""Samples of a series, one a minute."""
PAGE = ROOT / "docs/how-to/run-on-kubernetes.md"


def always(value: float) -> str:
    return f"{value}+0x{LONG}"


def then(value: float, later: float, at_min: int) -> str:
    """One value, and from a time on another."""
    first = at_min * 60 // prometheus.INTERVAL_S
    return f"{value}+0x{first} {later}+0x{LONG - first}"


def of(name: str, namespace: str = LINAC, **labels: str) -> str:
    """A series as the operator's Prometheus names it."""
    chosen = {"namespace": namespace, **labels}
    return f"{name}{{{','.join(f'{key}={chr(34)}{value}{chr(34)}' for key, value in chosen.items())}}}"


def up(role: str, number: int = 1, namespace: str = LINAC) -> str:
    return of("up", namespace, job=f"tocsin-{role}", pod=f"{role}-{number}")


def figure(name: str, role: str, number: int = 1, namespace: str = LINAC) -> str:
    config = {} if name in WITHOUT_CONFIG else {"config": CONFIGS[namespace]}
    return of(name, namespace, job=f"tocsin-{role}", pod=f"{role}-{number}", **config)


WITHOUT_CONFIG = ("tocsin_history_healthy", "tocsin_history_lag", "tocsin_history_dead_letters_total")
DISK = "data-0-tocsin-dual-0"


def healthy(namespace: str) -> dict[str, str]:
    """All that Prometheus knows of a site where nothing is wrong."""
    found = {up(role, number, namespace): always(1) for role in ("engine", "backend", "history") for number in (1, 2)}
    found[up("sync", 1, namespace)] = always(1)
    for number in (1, 2):
        is_first = number == 1
        values = {
            "tocsin_engine_serving": is_first,
            "tocsin_engine_standby": not is_first,
            "tocsin_engine_trouble": 0,
            "tocsin_engine_pvs": 1000,
            "tocsin_engine_pvs_connected": 990,
            "tocsin_engine_backlog": 3,
            "tocsin_engine_inputs_merged_total": 0,
            "tocsin_engine_records_skipped_total": 7,
            "tocsin_engine_lag_seconds": 0.1,
            "tocsin_engine_foreign_writer": 0,
        }
        found |= {figure(name, "engine", number, namespace): always(float(value)) for name, value in values.items()}
        values = {"tocsin_stale": 0, "tocsin_journal_faulty": 0}
        found |= {figure(name, "backend", number, namespace): always(value) for name, value in values.items()}
        values = {"serving": is_first, "standby": not is_first, "healthy": 1, "lag": 5, "dead_letters_total": 2}
        found |= {figure(f"tocsin_history_{name}", "history", number, namespace): always(float(value)) for name, value in values.items()}
        found[of("kafka_server_replicamanager_underreplicatedpartitions", namespace, pod=f"kafka-{number}")] = always(0)
        container = {"pod": f"engine-{number}", "container": "engine"}
        found[of("container_memory_working_set_bytes", namespace, **container)] = always(500e6)
        found[of("kube_pod_container_resource_limits", namespace, **container, resource="memory")] = always(2e9)
        found[of("container_cpu_usage_seconds_total", namespace, **container)] = f"0+{0.2 * prometheus.INTERVAL_S}x{LONG}"
    found |= {figure(name, "sync", 1, namespace): always(0) for name in ("tocsin_sync_refused", "tocsin_sync_waiting")}
    found[of("kubelet_volume_stats_available_bytes", namespace, persistentvolumeclaim=DISK)] = always(40e9)
    found[of("kubelet_volume_stats_capacity_bytes", namespace, persistentvolumeclaim=DISK)] = always(50e9)
    return found


@dataclass(frozen=True)
class Fault:
    """Something that is wrong at the Linac."""

    alert: str
    changed: dict[str, str | None]
    """Series that are otherwise; None: they are not there."""
    config: str = "Linac"

    @property
    def expected(self) -> set[prometheus.Firing]:
        return {(self.alert, LINAC, self.config)}


def gone(role: str) -> dict[str, str | None]:
    """All pods of a role, with their figures."""
    return {name: None for name in healthy(LINAC) if f'job="tocsin-{role}"' in name}


FREE = of("kubelet_volume_stats_available_bytes", persistentvolumeclaim=DISK)
SHORT = of("container_memory_working_set_bytes", pod="engine-1", container="engine")
BUSY = of("container_cpu_usage_seconds_total", pod="engine-1", container="engine")
GROWING = then(0, 5, AT_MIN - 2)
"""A counter that counted within the last minutes."""
FAULTS = (
    Fault("TocsinNoEngine", gone("engine"), ""),
    Fault("TocsinNoEngine", {up("engine", number): then(1, 0, 30) for number in (1, 2)}, ""),
    Fault("TocsinNoBackend", gone("backend"), ""),
    Fault("TocsinNoHistoryWriter", gone("history"), ""),
    Fault("TocsinNoSync", gone("sync"), ""),
    Fault("TocsinNothingEvaluates", {figure("tocsin_engine_serving", "engine"): then(1, 0, 30)}),
    Fault("TocsinNothingEvaluates", {figure("tocsin_engine_serving", "engine", number): None for number in (1, 2)}),
    Fault("TocsinNoStandby", {figure("tocsin_engine_standby", "engine", 2): then(1, 0, 30)}),
    Fault("TocsinTwoEngines", {figure("tocsin_engine_serving", "engine", 2): then(0, 1, 30)}),
    Fault("TocsinHistoryNotWritten", {figure("tocsin_history_serving", "history"): then(1, 0, 30)}),
    Fault("TocsinEngineTrouble", {figure("tocsin_engine_trouble", "engine"): then(0, 1, 30)}),
    Fault("TocsinStale", {figure("tocsin_stale", "backend", 2): then(0, 1, 30)}),
    Fault("TocsinJournalFaulty", {figure("tocsin_journal_faulty", "backend", 2): then(0, 1, 30)}),
    Fault("TocsinForeignWriter", {figure("tocsin_engine_foreign_writer", "engine"): then(0, 1, 30)}),
    Fault("TocsinPvsDisconnected", {figure("tocsin_engine_pvs_connected", "engine"): then(990, 700, 30)}),
    Fault("TocsinInputsWait", {figure("tocsin_engine_backlog", "engine"): then(3, 5000, 30)}),
    Fault("TocsinInputsMerged", {figure("tocsin_engine_inputs_merged_total", "engine"): GROWING}),
    Fault("TocsinRecordsSkipped", {figure("tocsin_engine_records_skipped_total", "engine"): GROWING}),
    Fault("TocsinHistoryUnhealthy", {figure("tocsin_history_healthy", "history"): then(1, 0, 30)}, ""),
    Fault("TocsinHistoryBehind", {figure("tocsin_history_lag", "history"): then(5, 9000, 30)}, ""),
    Fault("TocsinDeadLetters", {figure("tocsin_history_dead_letters_total", "history"): GROWING}, ""),
    Fault("TocsinFilesRefused", {figure("tocsin_sync_refused", "sync"): then(0, 1, 30)}),
    Fault("TocsinFilesWait", {figure("tocsin_sync_waiting", "sync"): then(0, 1, 30)}),
    Fault("TocsinEngineBehind", {figure("tocsin_engine_lag_seconds", "engine"): then(0.1, 8, 30)}),
    Fault("TocsinEngineBusy", {BUSY: f"0+{0.9 * prometheus.INTERVAL_S}x{LONG}"}, ""),
    Fault("TocsinMemoryShort", {SHORT: then(500e6, 1.8e9, 30)}, ""),
    Fault("TocsinVolumeFull", {FREE: always(9e9)}, ""),
    Fault("TocsinVolumeFills", {FREE: f"24e9-{1e7}x{LONG}"}, ""),
    Fault("TocsinKafkaUnderReplicated", {of("kafka_server_replicamanager_underreplicatedpartitions", pod="kafka-1"): then(0, 2, 30)}, ""),
)


ALL_BUT_LINAC = dict.fromkeys(healthy(LINAC))
CASES = ({}, ALL_BUT_LINAC, *(fault.changed for fault in FAULTS))


@pytest.fixture(scope="module")
def rules(tmp_path_factory):
    if prometheus.promtool() is None:
        pytest.skip(prometheus.HOW_TO_GET)
    directory = tmp_path_factory.mktemp("rules")
    return directory, prometheus.rule_files(overlay("production"), directory)


@pytest.fixture(scope="module")
def fired(rules):
    """What fires in each case."""
    both = healthy(LINAC) | healthy(RING)
    cases = [{name: value for name, value in {**both, **changed}.items() if value is not None} for changed in CASES]
    return prometheus.firing(*rules, cases, AT_MIN)


def test_prometheus_takes_the_rules(rules):
    assert len(rules[1]) == 2
    assert prometheus.check(*rules) == ""


def test_nothing_fires_where_nothing_is_wrong(fired):
    assert fired[0] == set()


@pytest.mark.parametrize("number", range(len(FAULTS)), ids=[f"{number} {fault.alert}" for number, fault in enumerate(FAULTS)])
def test_each_fault_fires_its_alert_where_it_is_and_no_other(fired, number):
    assert fired[2 + number] == FAULTS[number].expected


def test_every_rule_has_a_fault_that_fires_it():
    named = {
        rule["alert"] for one in overlay("production") if one["kind"] == "PrometheusRule" for rule in one["spec"]["groups"][0]["rules"]
    }
    assert named == {fault.alert for fault in FAULTS}


def test_a_site_that_nobody_hears_at_all_is_told(fired):
    """Its namespace was removed, or Prometheus may not see it: no figure is there whose value could be wrong."""
    assert fired[1] == {(f"TocsinNo{what}", LINAC, "") for what in ("Engine", "Backend", "HistoryWriter", "Sync")}


def test_the_page_has_a_section_for_every_rule_and_no_other():
    text = PAGE.read_text("utf-8").partition("\n## Alerts\n")[2]
    assert set(re.findall(r"^### (Tocsin\w+)$", text, re.MULTILINE)) == {fault.alert for fault in FAULTS}
