"""Alert rules for Prometheus: when each fires, and what it says. Pure.

Each names the namespace of its site: a Prometheus that watches several sites must not take the engine of one for that of another. What has
to be there is asked for by name, one configuration after the other, for a figure that is missing is below no number.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tocsin.kubernetes.site import ClusterSite

PAGE = "docs/how-to/run-on-kubernetes.md"
_CONFIG = "{{ $labels.config }}"
_OUR_CONTAINERS = "engine|backend|history|sync|grafana|dashboards"
_CLAIMS = "data-.*tocsin.*|elasticsearch-data-tocsin.*|tocsin-grafana"
"""As Strimzi, ECK and the component of Grafana name theirs."""


@dataclass(frozen=True, slots=True)
class Alert:
    """One rule: it fires where its expression has had a value for as long as `lasting` says."""

    name: str
    expression: str
    lasting: str
    critical: bool
    summary: str
    labels: dict[str, str] = field(default_factory=dict)
    """Beside the severity: what the expression itself cannot tell, since nothing is there."""


def rule_object(site: ClusterSite) -> dict[str, Any]:
    """A PrometheusRule with all alerts of a site."""
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "tocsin"},
        "spec": {"groups": [{"name": f"tocsin {site.settings.kubernetes.namespace}", "rules": [_rule(one) for one in alerts(site)]}]},
    }


def alerts(site: ClusterSite) -> list[Alert]:
    """All of them."""
    return [*_missing(site), *_engines(site), *_history(site), *_files(site), *_capacity(site)]


def _rule(alert: Alert) -> dict[str, Any]:
    return {
        "alert": alert.name,
        "expr": alert.expression,
        "for": alert.lasting,
        "labels": {"severity": "critical" if alert.critical else "warning", **alert.labels},
        "annotations": {"summary": alert.summary, "runbook": f"{PAGE}#{alert.name.lower()}"},
    }


def _of(site: ClusterSite, name: str, **labels: str) -> str:
    """A figure of this site."""
    chosen = {"namespace": site.settings.kubernetes.namespace, **labels}
    matchers = ",".join(f'{key}="{value}"' for key, value in chosen.items())
    return f"{name}{{{matchers}}}"


def _heard(site: ClusterSite, role: str) -> str:
    """The processes of a role that answer Prometheus."""
    return f"{_of(site, 'up', job=f'tocsin-{role}')} == 1"


def _missing(site: ClusterSite) -> Iterator[Alert]:
    """What has to be there. Where no process of a role answers, one alert says so, and not one more for each configuration."""
    namespace = site.settings.kubernetes.namespace
    for role, name, lasting, critical, summary in (
        ("engine", "TocsinNoEngine", "1m", True, "No engine answers Prometheus: are alarms decided?"),
        ("backend", "TocsinNoBackend", "1m", True, "No backend answers Prometheus: nobody sees alarms, or nobody knows."),
        ("history", "TocsinNoHistoryWriter", "2m", False, "No writer of the history answers Prometheus; events wait in Kafka."),
        ("sync", "TocsinNoSync", "10m", False, "The sync does not answer Prometheus: what is merged does not come into force."),
    ):
        if site.ours or role in ("backend", "history"):
            yield Alert(name, f"absent({_heard(site, role)})", lasting, critical, f"{namespace}: {summary}", {"namespace": namespace})
    for config in site.ours:
        labels, nobody = {"namespace": namespace, "config": config}, _nobody(site, config, "engine", "serving")
        said = f"No engine evaluates {config}: alarms are not decided."
        yield Alert("TocsinNothingEvaluates", nobody, "1m", True, said, labels)
        if site.settings.kubernetes.engines > 1:
            nobody = _nobody(site, config, "engine", "standby")
            yield Alert("TocsinNoStandby", nobody, "5m", False, f"No engine could take {config} over.", labels)
    for one in site.configurations:
        labels, nobody = {"namespace": namespace, "config": one.name}, _nobody(site, one.name, "history", "serving")
        said = f"Nobody writes the history of {one.name}; events wait in Kafka."
        yield Alert("TocsinHistoryNotWritten", nobody, "2m", False, said, labels)


def _nobody(site: ClusterSite, config: str, role: str, figure: str) -> str:
    """Processes of a role answer, and of none of them a figure of a configuration is 1."""
    return f"absent({_of(site, f'tocsin_{role}_{figure}', config=config)} == 1) and count({_heard(site, role)}) > 0"


def _each(site: ClusterSite, how: str, figure: str) -> str:
    """A figure of all processes together, for each configuration."""
    return f"{how} by (namespace, config) ({_of(site, figure)})"


def _more(site: ClusterSite, figure: str, span: str, *, by: str = "namespace, config") -> str:
    """What was counted more within a time."""
    return f"sum by ({by}) (increase({_of(site, figure)}[{span}])) > 0"


def _engines(site: ClusterSite) -> Iterator[Alert]:
    serving, pvs = _of(site, "tocsin_engine_serving"), _of(site, "tocsin_engine_pvs")
    connected = _of(site, "tocsin_engine_pvs_connected")
    yield Alert(
        "TocsinTwoEngines",
        f"{_each(site, 'sum', 'tocsin_engine_serving')} > 1",
        "1m",
        True,
        f"Two engines say that they evaluate {_CONFIG}.",
    )
    yield Alert(
        "TocsinEngineTrouble",
        f"{_each(site, 'max', 'tocsin_engine_trouble')} > 0",
        "2m",
        False,
        f"An engine does not serve {_CONFIG} as it should; its /readyz says why.",
    )
    yield Alert("TocsinStale", f"{_each(site, 'max', 'tocsin_stale')} > 0", "30s", True, f"What is shown of {_CONFIG} cannot be trusted.")
    yield Alert(
        "TocsinJournalFaulty",
        f"{_each(site, 'max', 'tocsin_journal_faulty')} > 0",
        "1m",
        True,
        f"The journal of {_CONFIG} cannot be read, or not all of it.",
    )
    yield Alert(
        "TocsinForeignWriter",
        f"{_each(site, 'max', 'tocsin_engine_foreign_writer')} > 0",
        "1m",
        True,
        f"Somebody else writes states of {_CONFIG}: is a Phoebus server still running?",
    )
    yield Alert(
        "TocsinPvsDisconnected",
        f"sum by (namespace, config) ({connected} * {serving}) / sum by (namespace, config) ({pvs} * {serving} > 0) < 0.8",
        "5m",
        False,
        f"More than a fifth of the PVs of {_CONFIG} are not connected.",
    )
    yield Alert(
        "TocsinInputsWait",
        f"{_each(site, 'max', 'tocsin_engine_backlog')} > 1000",
        "2m",
        False,
        f"Inputs of {_CONFIG} wait for Kafka.",
    )
    yield Alert(
        "TocsinInputsMerged",
        _more(site, "tocsin_engine_inputs_merged_total", "10m"),
        "0s",
        True,
        f"So many inputs of {_CONFIG} waited that some were merged.",
    )
    yield Alert(
        "TocsinRecordsSkipped",
        _more(site, "tocsin_engine_records_skipped_total", "10m"),
        "0s",
        False,
        f"Records of {_CONFIG} could not be understood.",
    )


def _history(site: ClusterSite) -> Iterator[Alert]:
    yield Alert(
        "TocsinHistoryUnhealthy",
        f"min by (namespace) ({_of(site, 'tocsin_history_healthy')}) < 1",
        "5m",
        False,
        "The history cannot be written; events wait in Kafka.",
    )
    yield Alert(
        "TocsinHistoryBehind",
        f"max by (namespace) ({_of(site, 'tocsin_history_lag')}) > 1000",
        "10m",
        False,
        "The history is {{ $value }} records behind.",
    )
    yield Alert(
        "TocsinDeadLetters",
        _more(site, "tocsin_history_dead_letters_total", "1h", by="namespace"),
        "0s",
        False,
        "Events could not be stored and are among the dead letters.",
    )


def _files(site: ClusterSite) -> Iterator[Alert]:
    yield Alert(
        "TocsinFilesRefused",
        f"{_each(site, 'max', 'tocsin_sync_refused')} > 0",
        "5m",
        False,
        f"The files of {_CONFIG} have errors and are not in force.",
    )
    yield Alert(
        "TocsinFilesWait",
        f"{_each(site, 'max', 'tocsin_sync_waiting')} > 0",
        "5m",
        False,
        f"Good files of {_CONFIG} are not in force.",
    )


def _capacity(site: ClusterSite) -> Iterator[Alert]:
    """What fills up. Volumes are told by the kubelet, processors and memory by cAdvisor, limits by kube-state-metrics."""
    chosen = site.settings.kubernetes
    yield Alert(
        "TocsinEngineBehind",
        f"{_each(site, 'max', 'tocsin_engine_lag_seconds')} > 5",
        "2m",
        False,
        f"An engine gets more of {_CONFIG} than it can decide.",
    )
    containers = f'namespace="{chosen.namespace}",container=~"{_OUR_CONTAINERS}"'
    yield Alert(
        "TocsinEngineBusy",
        f"sum by (namespace, pod) (rate({_of(site, 'container_cpu_usage_seconds_total', container='engine')}[5m])) > 0.7",
        "10m",
        False,
        "{{ $labels.pod }} takes {{ $value | humanizePercentage }} of the one processor that it can use: a flood would come late.",
    )
    yield Alert(
        "TocsinMemoryShort",
        f"max by (namespace, pod, container) (container_memory_working_set_bytes{{{containers}}}) / on (namespace, pod, container) "
        f'max by (namespace, pod, container) (kube_pod_container_resource_limits{{{containers},resource="memory"}}) > 0.8',
        "10m",
        False,
        "{{ $labels.container }} of {{ $labels.pod }} has {{ $value | humanizePercentage }} of its memory: above all of it, it is killed.",
    )
    volumes = f'namespace="{chosen.namespace}",persistentvolumeclaim=~"{_CLAIMS}"'
    free, size = (f"kubelet_volume_stats_{what}_bytes{{{volumes}}}" for what in ("available", "capacity"))
    yield Alert(
        "TocsinVolumeFull",
        f"{free} / {size} < 0.2",
        "10m",
        False,
        "The volume {{ $labels.persistentvolumeclaim }} has {{ $value | humanizePercentage }} left.",
    )
    yield Alert(
        "TocsinVolumeFills",
        f"predict_linear({free}[6h], 4 * 86400) < 0 and {free} / {size} < 0.5",
        "30m",
        False,
        "The volume {{ $labels.persistentvolumeclaim }} is full within four days if it goes on as in the last hours.",
    )
    if chosen.kafka == "strimzi":
        yield Alert(
            "TocsinKafkaUnderReplicated",
            f"sum by (namespace) ({_of(site, 'kafka_server_replicamanager_underreplicatedpartitions')}) > 0",
            "5m",
            False,
            "A broker lacks what the others have: one more that fails may stop writing.",
        )
