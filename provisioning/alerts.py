"""The alert rules of Grafana: what they ask, when they fire, what they say. Pure.

Rules go through the backend of the Infinity datasource, whichever plugin the dashboards ask. Each asks for names and exactly one number.
A rule fires as well when there is no answer or no data: silence is never "all is well".
"""

from __future__ import annotations

from dataclasses import dataclass

RECEIVER = "tocsin"


@dataclass(frozen=True, slots=True)
class AlertOptions:
    """When alerts fire, and who is told; without `webhook`, `mail` and `receiver` there are none."""

    webhook: str | None = None
    mail: tuple[str, ...] = ()
    receiver: str | None = None
    """Name of a contact point that the site has already, instead of one of our own."""
    engine_silent_s: int = 30
    history_lag_s: int = 300
    unacknowledged_min: int = 15
    flood_per_10_min: int = 10
    service: bool = True
    """Alert on engine and history too; False where Prometheus does it, so that nobody is told twice."""

    @property
    def is_wanted(self) -> bool:
        """Somebody is to be told."""
        return bool(self.webhook or self.mail or self.receiver)


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: it fires where the number is above `limit` for as long as `lasting` says."""

    uid: str
    title: str
    url: str
    columns: tuple[tuple[str, str], ...]
    limit: int
    summary: str
    """Text with Grafana's `$labels` and `$values`."""
    description: str
    parameters: tuple[tuple[str, str], ...] = ()
    lasting: str = "0s"


_OF_SERVICE = ("tocsin-engine-silent", "tocsin-history-late")
"""Rules that Prometheus has too, by `tocsin k8s render`."""


def rules(options: AlertOptions) -> list[Rule]:
    """The rules that are wanted."""
    return [rule for rule in all_rules(options) if options.service or rule.uid not in _OF_SERVICE]


def all_rules(options: AlertOptions) -> list[Rule]:
    """Also those that are not wanted: what an older file made has to be taken away."""
    config = ("config", "string")
    return [
        Rule(
            "tocsin-engine-silent",
            "Alarm engine silent",
            "/rows/alerting/engine",
            (config, ("age", "number")),
            options.engine_silent_s,
            "{{ $labels.config }}: no life sign from the alarm engine",
            "Alarms of this configuration are not evaluated, or not shown. Look at the logs of the engine; does the backend answer?",
        ),
        Rule(
            "tocsin-history-late",
            "Alarm history late",
            "/rows/alerting/history",
            (config, ("lag", "number")),
            options.history_lag_s,
            "{{ $labels.config }}: the history is behind",
            "Past events and figures miss the newest events. Alarms are shown all the same. Look at the history writer and its store.",
            lasting="1m",
        ),
        Rule(
            "tocsin-unacknowledged",
            "MAJOR alarms that nobody acknowledges",
            "/rows/alerting/unacknowledged",
            (config, ("system", "string"), ("count", "number")),
            0,
            "{{ $labels.config }} {{ $labels.system }}: {{ $values.A.Value }} MAJOR unacknowledged",
            f"Active for more than {options.unacknowledged_min} minutes, and nobody has acknowledged it: is the control room manned?",
            parameters=(("severity", "MAJOR"), ("older", str(60 * options.unacknowledged_min))),
        ),
        Rule(
            "tocsin-flood",
            "Alarm flood",
            "/rows/alerting/flood",
            (config, ("count", "number")),
            options.flood_per_10_min,
            "{{ $labels.config }}: {{ $values.A.Value }} alarms in 10 minutes",
            "More than an operator can follow (ISA-18.2). The first alarms of a flood often say what is wrong.",
        ),
    ]
