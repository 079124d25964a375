"""The sections of the settings, each with its keys, defaults and limits."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from alarm_engine.errors import SettingsError
from alarm_engine.logic.foreign import ForeignWriter
from backend.history.elastic_options import ElasticOptions
from backend.kpi.targets import FIGURES, TARGETS, Limits, own_target
from backend.proxies import network
from tocsin.settings_panels import PanelSection


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as problem:
        raise ValueError(f"{name!r} is not a time zone: expected a name like Europe/Berlin or UTC") from problem
    return name


def _plugin(name: str) -> str:
    return "json" if name == "simpod" else name


def _proxy(text: str) -> str:
    return str(network(text)) if "/" in text else str(network(text).network_address)


Proxy = Annotated[str, AfterValidator(_proxy)]


class Section(BaseModel):
    """A part of the settings: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ConfigurationSettings(Section):
    """One alarm tree."""

    tree: Path | None = Field(
        None, description="File of the alarm tree; relative to the settings file. Absent: the tree is what the journal holds."
    )
    name: str | None = Field(
        None, pattern=r"^[A-Za-z0-9._-]+$", description="Name of the configuration and of its topics; needed where there is no `tree`."
    )
    time_zone: Annotated[str, AfterValidator(_zone)] | None = Field(
        None, description="Zone of dates without one (`enabled` until); overrides the one of the tree."
    )
    owner: Literal["tocsin", "phoebus"] = Field(
        "tocsin",
        description="Who evaluates its alarms. `phoebus`: a Phoebus alarm server does, and is left to it; tocsin shows it, keeps its "
        "history and passes acknowledgements on.",
    )

    @model_validator(mode="after")
    def _is_named(self) -> Self:
        if self.tree is None and self.name is None:
            raise ValueError("give `tree`, the file of an alarm tree, or `name`, that of a configuration which the journal holds")
        if self.owner == "phoebus" and (self.tree is not None or self.name is None):
            raise ValueError("owner is 'phoebus', and `tree` is given: its tree is what its topic holds, give the `name` of it only")
        return self


class KafkaSection(Section):
    """The Kafka cluster, where `journal` is kafka. Passwords are in files, which are read again when they change."""

    servers: str = Field("", description="host:port of the brokers, several with commas.")
    tls: bool = Field(False, description="Connect by TLS.")
    ca_file: Path | None = Field(None, description="Certificates that are trusted (PEM); absent: those of the system.")
    certificate_file: Path | None = Field(None, description="Our certificate (PEM), where the brokers ask for one.")
    key_file: Path | None = Field(None, description="Key of our certificate (PEM).")
    key_password_file: Path | None = Field(None, description="File with the password of the key.")
    user: str = Field("", description="User name, where the brokers ask for one.")
    password_file: Path | None = Field(None, description="File with the password of the user.")
    mechanism: Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"] = Field("SCRAM-SHA-512", description="How the password is proven.")
    prefix: str = Field(
        "tocsin-", pattern=r"^[A-Za-z0-9._-]+$", description="Begins the names of our groups and transactions: access rules need only it."
    )
    replication_factor: int | None = Field(None, ge=1, description="Copies of the topics that we make; absent: as the brokers do.")
    write_timeout_s: float = Field(
        10, ge=1, description="Seconds after which a write that is not confirmed counts as failed, and is tried again."
    )
    session_s: float = Field(
        6,
        ge=1,
        le=60,
        description="Seconds without a sign of life after which another engine of the cell takes over; brokers take no less than their"
        " group.min.session.timeout.ms (6 s unless it is lowered: 2.5 s is a good value).",
    )
    properties: dict[str, str | int | float | bool] = Field({}, description="Any further property of the client, by librdkafka's names.")

    @model_validator(mode="after")
    def _is_as_safe_as_it_looks(self) -> Self:
        files = [name for name in ("ca_file", "certificate_file", "key_file") if getattr(self, name) is not None]
        if files and not self.tls and "security.protocol" not in self.properties:
            raise ValueError(f"{', '.join(files)} given, and tls is false: the connection would be open to all; give tls: true")
        if self.user and self.password_file is None and "sasl.password" not in self.properties:
            raise ValueError(f"user {self.user!r} has no password_file: give the file with the password of the user")
        return self


class EngineSection(Section):
    """How alarms are evaluated."""

    connection_timeout_s: float = Field(30, gt=0, description="Seconds after which a PV that never connected is an alarm.")
    nag_period_s: float = Field(900, ge=0, description="Seconds without a word after which active alarms are spoken of again; 0: never.")
    idle_s: float = Field(
        10, gt=0, le=10, description="Seconds after which the root is published again, the life sign for Phoebus clients."
    )
    command_max_age_s: float = Field(15, gt=0, description="Seconds after which a command is refused as too old.")
    monitor: Literal["alarms", "values"] = Field(
        "alarms", description="`alarms`: IOCs send changes of the alarm only; `values`: every change of the value, as Phoebus asks for."
    )
    foreign_writer: ForeignWriter = Field(
        ForeignWriter.REASSERT,
        description="While somebody else writes states of a tree, such as a Phoebus server that was left running. `reassert`: our states "
        "are written over its own; `yield`: nothing is written until it has been quiet for 30 s.",
    )
    intake_bound: int = Field(200_000, ge=1000, description="Inputs kept while the journal is away; beyond it they are merged per PV.")
    watchdog_s: float = Field(
        3, ge=0, description="Seconds after which a process whose engine hangs is ended, for its supervisor to start it again; 0: never."
    )


class ChannelAccessSection(Section):
    """Where PVs are searched; what is not given is left to the EPICS_CA_ environment variables."""

    addr_list: tuple[str, ...] | None = Field(None, description="Addresses to search, like EPICS_CA_ADDR_LIST.")
    auto_addr_list: bool | None = Field(None, description="Search all networks of this machine too, like EPICS_CA_AUTO_ADDR_LIST.")
    name_servers: tuple[str, ...] = Field((), description="host:port of TCP name servers or IOCs, like EPICS_CA_NAME_SERVERS.")
    server_timeout_s: float | None = Field(
        None, gt=0, description="Seconds without a word after which an IOC counts as gone, like EPICS_CA_CONN_TMO (30)."
    )


class BackendSection(Section):
    """The web side."""

    host: str = Field("127.0.0.1", description="Address to listen on. Other than loopback needs `auth` while commands are enabled.")
    port: int = Field(8080, ge=0, le=65535, description="Port to listen on; 0: any free one.")
    commands: bool = Field(True, description="Accept acknowledge, shelve and so on.")
    allowed_hosts: tuple[str, ...] = Field((), description="Further host names under which this server is reached.")


class AuthSection(Section):
    """Who may do what."""

    mode: Literal["none", "users", "proxy"] = Field(
        "none", description="`none`: loopback only; `users`: a file of users; `proxy`: a trusted proxy names the user."
    )
    users_file: Path | None = Field(None, description="Users with password or token hashes; relative to the settings file.")
    open_reading: bool = Field(True, description="Everybody may look; commands need a user.")
    proxy_header: str = Field("X-Forwarded-User", description="Header in which the proxy names the user.")
    proxy_addresses: tuple[Proxy, ...] = Field(
        (),
        description="Addresses or networks (10.244.0.0/16) of the proxies in front, as an Ingress: what they say in `X-Forwarded-For` is "
        "believed, and in the mode `proxy` the name of the user.",
    )


class ElasticsearchSection(Section):
    """Elasticsearch 8 or 9, where `history.store` is elasticsearch. Secrets are in files, which are read again when they change."""

    hosts: tuple[str, ...] = Field((), description="Addresses with scheme and port; if one does not answer, the next is asked.")
    api_key_file: Path | None = Field(None, description="File with an API key, in its encoded form.")
    user: str | None = Field(None, description="User name, instead of an API key.")
    password_file: Path | None = Field(None, description="File with the password of the user.")
    ca_file: Path | None = Field(None, description="Certificates that are trusted (PEM); absent: those that come with the client.")
    certificate_file: Path | None = Field(None, description="Our certificate (PEM), where the server asks for one.")
    key_file: Path | None = Field(None, description="Key of our certificate (PEM).")
    prefix: str = Field("tocsin", description="Begins the names of all indices: 1 to 31 small letters and digits, a letter first.")
    replicas: int | None = Field(None, ge=0, description="Copies of each index beside the first; absent: 1 if there is a second node.")
    ilm_delete_days: int | None = Field(
        None,
        ge=1,
        description="Days after the end of its month when the server deletes an index by itself; a net beyond `keep_days`. Absent: never.",
    )
    query_timeout_s: float = Field(15, gt=0, description="Seconds after which a question is given up.")
    write_timeout_s: float = Field(
        5, gt=0, description="Seconds after which a write that the server does not take counts as failed; it is tried again for ever."
    )

    def options(self) -> ElasticOptions:
        """What the store is given; raises `SettingsError`."""
        return ElasticOptions(
            hosts=self.hosts,
            api_key_file=self.api_key_file,
            user=self.user,
            password_file=self.password_file,
            ca_file=self.ca_file,
            client_certificate=self.certificate_file,
            client_key=self.key_file,
            prefix=self.prefix,
            replicas=self.replicas,
            ilm_delete_days=self.ilm_delete_days,
            longest_query_s=self.query_timeout_s,
            longest_write_s=self.write_timeout_s,
        )


class HistorySection(Section):
    """Past events."""

    store: Literal["sqlite", "elasticsearch"] = Field(
        "sqlite", description="`sqlite`: past events are in the file `store` of the top level; `elasticsearch`: they are in Elasticsearch."
    )
    keep_days: int = Field(400, ge=1, description="Days that events are kept in the history store.")
    journal_days: int = Field(30, ge=1, description="Days that events are kept in the journal, from which a lost history is filled again.")
    elasticsearch: ElasticsearchSection = Field(
        ElasticsearchSection(), description="Elasticsearch 8 or 9, where `history.store` is elasticsearch."
    )

    @model_validator(mode="after")
    def _names_servers(self) -> Self:
        hosts = self.elasticsearch.hosts
        if self.store == "sqlite":
            if hosts:
                raise ValueError("elasticsearch.hosts is given and store is 'sqlite': give store: elasticsearch, or leave the hosts out")
            return self
        if not hosts:
            raise ValueError("store is 'elasticsearch' and elasticsearch.hosts is missing: give addresses such as https://elastic:9200")
        try:
            self.elasticsearch.options()
        except SettingsError as problem:
            raise ValueError(str(problem)) from problem
        return self


class FiguresSection(Section):
    """What figures of alarm performance are judged by, where ISA-18.2 leaves it to the site. The defaults are those in common use."""

    flood_begins: int = Field(10, ge=1, description="More alarms than that in 10 minutes begin a flood.")
    flood_ends: int = Field(5, ge=1, description="A flood lasts until 10 minutes have fewer alarms than that.")
    busy_hour: int = Field(30, ge=1, description="An hour with more alarms than that counts as busy.")
    targets: dict[str, tuple[float, float]] = Field(
        {},
        description="Own targets, by name of the figure: up to where it is met, and up to where it is near; `per_day: [200, 400]`.",
    )

    @model_validator(mode="after")
    def _go_together(self) -> Self:
        if self.flood_ends > self.flood_begins + 1:
            raise ValueError(f"flood_ends is {self.flood_ends} and flood_begins {self.flood_begins}: a flood would end where it begins")
        unknown = [name for name in self.targets if name not in FIGURES]
        if unknown:
            raise ValueError(f"targets: there is no figure {', '.join(unknown)}; there are {', '.join(FIGURES)}")
        self.limits()
        return self

    def limits(self) -> Limits:
        """As the figures take them."""
        own = {name: own_target(name, *given) for name, given in self.targets.items()}
        return Limits(self.flood_begins, self.flood_ends, self.busy_hour, {**TARGETS, **own})


class AlertsSection(Section):
    """Alert rules of Grafana about tocsin itself and about alarms that nobody takes notice of.

    Without `webhook`, `mail` or `receiver`: none.
    """

    webhook: str | None = Field(None, description="Address that Grafana posts alerts to.")
    mail: tuple[str, ...] = Field((), description="Addresses that Grafana sends mail to.")
    receiver: str | None = Field(
        None,
        min_length=1,
        description="Name of a contact point that Grafana has already, as grafana-default-email; instead of `webhook` and `mail`.",
    )
    engine_silent_s: int = Field(30, ge=10, description="Seconds without a life sign of an engine after which an alert fires.")
    history_lag_s: int = Field(300, ge=10, description="Seconds that the history may be behind before an alert fires.")
    unacknowledged_min: int = Field(15, ge=1, description="Minutes after which an active MAJOR alarm that nobody acknowledged is an alert.")
    service: bool = Field(
        True,
        description="Alert on a silent engine and a late history; false where Prometheus does so, as with `kubernetes.monitoring`, so that "
        "nobody is told twice.",
    )
    flood_per_10_min: int = Field(10, ge=1, description="Alarms in 10 minutes above which an alert fires.")


class DashboardsSection(Section):
    """Generated files for Grafana."""

    out: Path | None = Field(None, description="Directory for dashboards and provisioning; absent: none are written.")
    palette: Literal["dark", "light"] = Field("dark", description="Colours for dark or light Grafana.")
    datasource: Annotated[Literal["infinity", "json", "simpod"], AfterValidator(_plugin)] = Field(
        "infinity", description="Datasource plugin that the dashboards use; `simpod` is the JSON one by the name of its maker."
    )
    backend_url: str | None = Field(None, description="Address at which Grafana reaches the backend; default: where it listens.")
    page_url: str | None = Field(None, description="Address at which browsers reach the operator page; default: where it listens.")
    depth: int = Field(1, ge=1, description="Components down to that depth below the root have a dashboard of their own (300 at most).")
    refresh: str = Field("10s", description="How often an open dashboard asks again, as 10s or 1m; the wall asks every 5 s.")
    title: str = Field("", description="Begins the titles of all dashboards, for instance the name of the site.")
    links: dict[str, str] = Field({}, description="Further buttons in the head line of every dashboard: title and address.")
    archiver_url: str = Field(
        "", description="Address of the archive's viewer, with `{pv}` where the name of the PV goes; a link of each alarm."
    )
    prometheus_uid: str = Field(
        "",
        pattern=r"^[A-Za-z0-9_-]{0,40}$",
        description="Identity of Grafana's datasource of a Prometheus that scrapes `/metrics` of every process: the dashboard of tocsin "
        "itself shows its series then. Empty: our own rows only, unless `prometheus_url` is given.",
    )
    prometheus_url: str | None = Field(
        None,
        description="Address at which the server of Grafana reaches that Prometheus: the datasource is among the provisioning files, "
        "under `prometheus_uid`, or else `tocsin-prometheus`.",
    )
    extra: Path | None = Field(None, description="Directory with dashboards of the site's own, files `NAME.dashboard.py`.")
    panels: tuple[PanelSection, ...] = Field((), description="Panels of the site's own on the generated dashboards.")
    alerts: AlertsSection = Field(AlertsSection(), description="Alert rules of Grafana.")


class HealthSection(Section):
    """Where the roles without a web side (`tocsin engine`, `tocsin history`) tell machines how they are."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int | None = Field(
        None, ge=0, le=65535, description="Port of `/healthz`, `/readyz` and `/metrics`; absent: none, 0: any free one."
    )


class SyncSection(Section):
    """How files of alarm trees come into force: by `tocsin run`, and by `tocsin config sync --watch`."""

    edits: Literal["keep", "overwrite"] = Field(
        "keep",
        description="What another client (CS-Studio) edited or deleted: `keep` leaves it until the files say something new there, "
        "`overwrite` puts back what the files say. Shelving and out of service are the operators' in any case.",
    )
    commit: str = Field("", description="Commit of the files, where they are in no git checkout; else git is asked.")
    look_every_s: float = Field(0.25, ge=0.05, le=60, description="Seconds between two looks at the files.")


class LogSection(Section):
    """What is said on standard output."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is written.")
    form: Literal["auto", "console", "json"] = Field("auto", description="`auto`: readable on a terminal, JSON otherwise.")
