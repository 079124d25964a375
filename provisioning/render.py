"""Provisioning files for Grafana: datasources, dashboard providers, alert rules, plugins. Pure: options in, files out."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from importlib.resources import files
from urllib.parse import urlsplit

from jinja2 import Environment, StrictUndefined

from alarm_engine.errors import TocsinError
from alarm_engine.model.subsystem import folder_uid
from provisioning.alerts import RECEIVER, AlertOptions, all_rules, rules

POLL_S = 30
"""Seconds between two looks at the directory of dashboards. Up to 10 Grafana watches files instead, which many volumes do not support."""

PLUGINS = {"infinity": ("yesoreyeram-infinity-datasource", "3.11.1"), "json": ("simpod-json-datasource", "0.6.5")}
"""Plugins by datasource, in the versions that dashboards were tried with."""

FOLDER = "tocsin"
"""Folder of the alert rules, and of all dashboards where no configurations are given."""

PROMETHEUS_UID = "tocsin-prometheus"
"""Identity of the datasource of a Prometheus, unless the site has one already."""

DATASOURCES = ("infinity", "json")
_MAIL = re.compile(r"[^\s;,@]+@[^\s;,@]+")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class ProvisioningError(TocsinError):
    """Options that no provisioning can be made of."""


@dataclass(frozen=True, slots=True)
class PrometheusOptions:
    """A Prometheus that scrapes tocsin."""

    url: str
    """Address at which the server of Grafana reaches it."""
    uid: str = PROMETHEUS_UID
    """Identity of the datasource, by which dashboards ask it."""


@dataclass(frozen=True, slots=True)
class ProvisioningOptions:
    """What a site chooses."""

    backend_url: str
    """Address at which the server of Grafana reaches the backend, `http://host:port`."""
    datasource: str = "infinity"
    """Which of the two datasources is Grafana's default: `infinity` or `json`. Both are made."""
    configs: tuple[str, ...] = ()
    """Configurations: a folder for each. Without them the folders follow the directories."""
    dashboards_path: str = "/var/lib/grafana/dashboards/tocsin"
    """Directory of the generated dashboards, as Grafana sees it."""
    token_variable: str | None = None
    """Environment variable of Grafana with the token for a backend that asks who reads. The token itself is never in a file."""
    alerts: AlertOptions = field(default_factory=AlertOptions)
    prometheus: PrometheusOptions | None = None
    """None: no datasource for it is made."""


def render(options: ProvisioningOptions) -> dict[str, bytes]:
    """Content by file name below Grafana's provisioning directory; raises `ProvisioningError` with all that is wrong."""
    _check(options)
    backend_url = options.backend_url.rstrip("/")
    environment = Environment(autoescape=False, undefined=StrictUndefined, keep_trailing_newline=True)
    environment.filters |= {"text": _text, "verbatim": _verbatim, "variable": _variable, "lower_bool": lambda value: str(value).lower()}
    environment.globals["folder_uid"] = folder_uid
    values = {
        "grafana_url": f"{backend_url}/grafana",
        "datasource": options.datasource,
        "configs": options.configs,
        "dashboards_path": options.dashboards_path.rstrip("/"),
        "token_variable": options.token_variable,
        "poll_s": POLL_S,
        "receiver": options.alerts.receiver or RECEIVER,
        "wanted": options.alerts.is_wanted,
        "folder": FOLDER,
        "webhook": options.alerts.webhook,
        "mail": options.alerts.mail,
        "prometheus": options.prometheus,
        "rules": rules(options.alerts),
        "others": [rule for rule in all_rules(options.alerts) if not options.alerts.is_wanted or rule not in rules(options.alerts)],
    }
    templates = files("provisioning") / "templates"
    # Grafana does not start with alert rules whose receiver does not exist: without one the file takes away what an older one made.
    names = ("datasources", "dashboards", "alerting")
    rendered = {
        f"{name}/tocsin.yaml": environment.from_string((templates / f"{name}.yaml.j2").read_text("utf-8")).render(values).encode()
        for name in names
    }
    return rendered | {"plugins.txt": "".join(f"{name} {version}\n" for name, version in PLUGINS.values()).encode()}


def _text(value: str) -> str:
    """A YAML string (JSON strings are) in which Grafana expands nothing: it takes `$NAME` for a variable, and `$$` for a dollar sign."""
    return json.dumps(value.replace("$", "$$"), ensure_ascii=False)


def _verbatim(value: str) -> str:
    """A YAML string where Grafana expands nothing by itself: in the queries and texts of alert rules."""
    return json.dumps(value, ensure_ascii=False)


def _variable(name: str, before: str = "") -> str:
    """A YAML string that Grafana fills from its environment."""
    return json.dumps(f"{before}${{{name}}}")


def _is_address(text: str) -> bool:
    try:
        url = urlsplit(text)
        _ = url.port
    except ValueError:
        return False
    return url.scheme in ("http", "https") and bool(url.hostname) and not url.query and not url.fragment and url.username is None


def _check(options: ProvisioningOptions) -> None:
    faults: list[str] = []
    addresses = [("backend", options.backend_url), *([("prometheus", options.prometheus.url)] if options.prometheus else [])]
    faults += [
        f"{name} url {address!r}: expected http://host:port, without user, query or fragment"
        for name, address in addresses
        if not _is_address(address)
    ]
    if options.datasource not in DATASOURCES:
        faults.append(f"datasource {options.datasource!r}: expected one of {', '.join(DATASOURCES)}")
    if options.token_variable is not None and not _VARIABLE.fullmatch(options.token_variable):
        faults.append("token variable: expected the name of an environment variable, as TOCSIN_TOKEN, not the token itself")
    webhook = options.alerts.webhook
    if webhook is not None and not re.fullmatch(r"https?://[^\s/]+\S*", webhook):
        faults.append(f"alert webhook {webhook!r}: expected an address as https://host/path")
    faults += [f"alert mail {mail!r}: expected an address as user@host" for mail in options.alerts.mail if not _MAIL.fullmatch(mail)]
    if options.alerts.receiver is not None and (webhook is not None or options.alerts.mail):
        faults.append("alert receiver: a contact point of the site is named, and webhook or mail make one: give one of them")
    if options.alerts.receiver == RECEIVER:
        faults.append(f"alert receiver {RECEIVER!r}: expected a contact point of the site; that one is made from webhook and mail")
    if not options.dashboards_path.startswith("/"):
        faults.append(f"dashboards path {options.dashboards_path!r}: expected an absolute path, as Grafana sees it")
    twins = sorted({config for config in options.configs if options.configs.count(config) > 1})
    faults += [f"configuration {config!r} is given twice" for config in twins]
    if faults:
        raise ProvisioningError("; ".join(faults))
