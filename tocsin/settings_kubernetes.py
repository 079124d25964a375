"""The section `kubernetes` of the settings: what `tocsin k8s render` makes the overlay of a site from. Running processes ignore it."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from tocsin.settings_sections import Section

_LABEL = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
_LABEL_OR_NOTHING = r"^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)?$"
_HOST = r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*)?$"


def _network(text: str) -> str:
    try:
        return str(ip_network(text))
    except ValueError as problem:
        raise ValueError(f"{text!r} is no network: expected an address with a mask, as 10.10.0.0/16 ({problem})") from problem


Network = Annotated[str, AfterValidator(_network)]


class KubernetesSection(Section):
    """How the site is run on Kubernetes; `tocsin k8s render` makes its overlay from this, and processes ignore it."""

    namespace: str = Field("tocsin", pattern=_LABEL, description="Namespace of the site.")
    image: str = Field("tocsin:VERSION", pattern=r"^\S+[:@]\S+$", description="Our image, with its tag or digest.")
    engines: int = Field(2, ge=1, le=9, description="Engines: one evaluates a configuration, the others are ready to.")
    backends: int = Field(2, ge=1, le=50, description="Backends.")
    history_writers: int = Field(2, ge=1, le=9, description="Writers of the history: one writes that of a configuration, the others wait.")
    alarms: int = Field(20_000, ge=1, description="Alarms of all configurations: memory and processors are asked for by their number.")
    priority_classes: bool = Field(
        True, description="Make the priority classes too; they belong to the whole cluster, one site brings them."
    )
    single_node: bool = Field(False, description="A cluster of one node, as on a laptop: one broker, one Elasticsearch, no copies.")
    kafka: Literal["strimzi", "external"] = Field("strimzi", description="`strimzi`: brokers of our own; `external`: those of `kafka`.")
    kafka_networks: tuple[Network, ...] = Field((), description="Where an external Kafka is, for network policies.")
    kafka_namespace: str = Field(
        "",
        pattern=_LABEL_OR_NOTHING,
        description="Namespace of another site in this cluster whose Kafka is the external one; that site names ours as `kafka_guests`.",
    )
    kafka_users: Literal["roles", "one"] = Field(
        "roles",
        description="How an external Kafka knows us, where `kafka.user` is given: `roles`: as USER-engine, USER-backend, USER-history, "
        "USER-sync and USER-restore, each with the rights that it needs; `one`: all as that one user.",
    )
    kafka_guests: tuple[Annotated[str, Field(pattern=_LABEL)], ...] = Field(
        (), description="Other namespaces of this cluster whose sites use our Kafka, for network policies."
    )
    elasticsearch: Literal["eck", "external"] = Field(
        "eck", description="`eck`: an Elasticsearch of our own; `external`: that of `history.elasticsearch`."
    )
    elasticsearch_networks: tuple[Network, ...] = Field((), description="Where an external Elasticsearch is, for network policies.")
    elasticsearch_access: Literal["user", "api_key"] = Field(
        "user", description="What the secrets for Elasticsearch hold: `password` of a user for each role, or `api_key`."
    )
    git_repository: str = Field("", description="Repository with the alarm trees; empty: their files are put into a ConfigMap.")
    git_ref: str = Field("main", pattern=r"^[^\s-]\S*$", description="Branch or tag that is in force.")
    git_directory: str = Field("", pattern=r"^([^/\s][^\s]*)?$", description="Directory of this settings file in the repository.")
    git_networks: tuple[Network, ...] = Field(("0.0.0.0/0",), min_length=1, description="Where the repository is, for network policies.")
    epics: Literal["policies", "host_network"] = Field(
        "policies",
        description="`policies`: engines reach `epics_networks` by TCP and UDP; `host_network`: they are in the network of their nodes.",
    )
    node_networks: tuple[Network, ...] = Field(
        (), description="Networks of the nodes: with `host_network` engines come from there, and Kafka has to let them in."
    )
    epics_networks: tuple[Network, ...] = Field((), description="Networks of IOCs, name servers and gateways.")
    dns_networks: tuple[Network, ...] = Field(
        (), description="Where names are resolved beside the pods `kube-dns`, as 169.254.20.10/32 of NodeLocal DNSCache."
    )
    zones: bool = Field(
        True,
        description="Nodes have the label `topology.kubernetes.io/zone`: copies are spread over zones. Brokers do not start without it.",
    )
    ingress_host: str = Field("", pattern=_HOST, description="Name under which browsers reach the page; empty: no Ingress is made.")
    ingress_class: str = Field("nginx", pattern=_LABEL, description="Class of the Ingress; its namespace is `ingress_namespace`.")
    ingress_namespace: str = Field("ingress-nginx", pattern=_LABEL, description="Namespace from which the Ingress reaches backends.")
    tls_secret: str = Field("tocsin-tls", pattern=_LABEL, description="Secret with the certificate of `ingress_host`.")
    grafana_host: str = Field("", pattern=_HOST, description="Name under which browsers reach our Grafana; empty: it has no Ingress.")
    grafana_tls_secret: str = Field("tocsin-grafana-tls", pattern=_LABEL, description="Secret with the certificate of `grafana_host`.")
    storage_class: str = Field("", description="Storage class of Kafka, Elasticsearch and Grafana; empty: that of the cluster.")
    monitoring: bool = Field(False, description="Objects for the Prometheus operator: what is scraped, and alert rules.")
    monitoring_namespace: str = Field("monitoring", pattern=_LABEL, description="Namespace of Prometheus.")
    grafana: bool = Field(True, description="A Grafana of our own, with the generated dashboards.")
    outside_kafka: bool = Field(False, description="CS-Studio reaches Kafka from outside of the cluster.")
    pipeline_user: bool = Field(
        False,
        description="A user of Kafka who may only read, for `tocsin config diff` in the pipeline of the alarms; needs `outside_kafka`.",
    )
    elastic_namespace: str = Field(
        "elastic-system", pattern=_LABEL, description="Namespace of the operator ECK, which asks our Elasticsearch how it is."
    )
    restore: bool = Field(True, description="A job that `kubectl create job` starts when the journal is lost, with rights of its own.")
    phoebus_alarm_logger: str = Field(
        "",
        pattern=r"^(\S+[:@]\S+)?$",
        description="Image of the alarm logger of Phoebus, to run it beside our history; empty: it does not run.",
    )
    demo_ioc: bool = Field(False, description="The machine of the demo is in the cluster.")

    @model_validator(mode="after")
    def _go_together(self) -> Self:
        if self.kafka == "external" and self.outside_kafka:
            raise ValueError("outside_kafka is true and kafka is 'external': who reaches a Kafka of your own is set there")
        if self.kafka == "external" and self.kafka_guests:
            raise ValueError("kafka_guests is given and kafka is 'external': who may reach a Kafka of your own is said there")
        if self.kafka_namespace and self.kafka_networks:
            raise ValueError("kafka_namespace and kafka_networks are given: the brokers are either in this cluster or elsewhere")
        if self.kafka != "external" and self.kafka_namespace:
            raise ValueError("kafka_namespace is given and kafka is 'strimzi': our own Kafka is in our own namespace")
        if self.pipeline_user and not self.outside_kafka:
            raise ValueError("pipeline_user is true and outside_kafka is false: a pipeline outside of the cluster would not reach Kafka")
        if self.grafana_host and not self.grafana:
            raise ValueError("grafana_host is given and grafana is false: there is no Grafana of ours")
        if self.epics == "host_network":
            self._knows_its_nodes()
        if self.single_node and "external" in (self.kafka, self.elasticsearch):
            raise ValueError("single_node is true, and Kafka or Elasticsearch is 'external': it makes small ones of both")
        if self.phoebus_alarm_logger and "external" in (self.kafka, self.elasticsearch):
            raise ValueError("phoebus_alarm_logger is given, and Kafka or Elasticsearch is 'external': run the logger where they are")
        if self.single_node and self.elasticsearch_access == "api_key":
            raise ValueError("single_node is true and elasticsearch_access is 'api_key': it uses the user that Elasticsearch makes itself")
        return self

    def _knows_its_nodes(self) -> None:
        if self.kafka == "strimzi" and not self.node_networks:
            raise ValueError(
                "epics is 'host_network' and node_networks is missing: engines come from the addresses of their nodes, and Kafka would "
                "refuse them; give the networks of the nodes"
            )
        if self.demo_ioc:
            raise ValueError("epics is 'host_network' and demo_ioc is true: the machine of the demo lets only pods in")
