"""Settings: one file, then environment variables `TOCSIN_...`, one model."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self, TypeVar

import yaml
from pydantic import BaseModel, Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from alarm_engine import strict_yaml
from alarm_engine.errors import SettingsError
from tocsin.settings_faults import sentences
from tocsin.settings_kubernetes import KubernetesSection
from tocsin.settings_sections import (
    AuthSection,
    BackendSection,
    ChannelAccessSection,
    ConfigurationSettings,
    DashboardsSection,
    EngineSection,
    FiguresSection,
    HealthSection,
    HistorySection,
    KafkaSection,
    LogSection,
    SyncSection,
)

VERSION = 1

M = TypeVar("M", bound=BaseModel)


class Settings(BaseSettings):
    """Everything that a site sets."""

    model_config = SettingsConfigDict(env_prefix="TOCSIN_", env_nested_delimiter="__", extra="forbid", frozen=True)

    version: Literal[1] = Field(1, description="Form of this file.")
    configurations: tuple[ConfigurationSettings, ...] = Field(min_length=1, description="The alarm trees to watch.")
    cell: str = Field("tocsin", pattern=r"^[A-Za-z0-9._-]+$", description="Name of the group of engines that serve these trees.")
    journal: Literal["sqlite", "kafka"] = Field(
        "sqlite", description="`sqlite`: the journal is in `store`, and one process is everything; `kafka`: it is in a Kafka cluster."
    )
    store: Path = Field(
        Path("tocsin.sqlite"),
        description="The embedded file: of the journal unless that is in Kafka, of the history unless that is in Elasticsearch.",
    )
    kafka: KafkaSection = Field(KafkaSection(), description="The Kafka cluster, where `journal` is kafka.")
    engine: EngineSection = Field(EngineSection(), description="How alarms are evaluated.")
    channel_access: ChannelAccessSection = Field(ChannelAccessSection(), description="Where PVs are searched.")
    backend: BackendSection = Field(BackendSection(), description="The web side.")
    auth: AuthSection = Field(AuthSection(), description="Who may do what.")
    history: HistorySection = Field(HistorySection(), description="Past events.")
    figures: FiguresSection = Field(FiguresSection(), description="What figures of alarm performance are judged by.")
    dashboards: DashboardsSection = Field(DashboardsSection(), description="Generated files for Grafana.")
    health: HealthSection = Field(HealthSection(), description="Where the roles without a web side tell machines how they are.")
    sync: SyncSection = Field(SyncSection(), description="How files of alarm trees come into force.")
    log: LogSection = Field(LogSection(), description="What is said on standard output.")
    kubernetes: KubernetesSection = Field(
        KubernetesSection(), description="How the site is run on Kubernetes: `tocsin k8s render` makes its overlay from this."
    )

    @model_validator(mode="after")
    def _names_brokers(self) -> Self:
        if self.journal == "kafka" and not self.kafka.servers:
            raise ValueError("journal is 'kafka' and kafka.servers is missing: give host:port of the brokers")
        if self.journal == "sqlite" and self.kafka.servers:
            raise ValueError("kafka.servers is given and journal is 'sqlite': give journal: kafka, or leave the servers out")
        if self.journal == "sqlite" and any(one.owner == "phoebus" for one in self.configurations):
            raise ValueError("a configuration has owner 'phoebus' and journal is 'sqlite': its topics are in Kafka, give journal: kafka")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment over file, so that one file serves several machines."""
        return env_settings, init_settings


def load(path: Path) -> Settings:
    """Settings of a file and the environment; raises `SettingsError` that lists every fault."""
    try:
        data = strict_yaml.load(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise SettingsError(f"{path}: cannot be read: {problem.strerror}") from problem
    except UnicodeDecodeError as problem:
        raise SettingsError(f"{path}: is not UTF-8 text (byte {problem.start})") from problem
    except yaml.YAMLError as problem:
        raise SettingsError(f"{path}: is not YAML: {strict_yaml.sentence(problem)}") from problem
    if not isinstance(data, dict):
        raise SettingsError(f"{path}: expected keys and values, for example\n  configurations:\n    - tree: tree.yaml")
    version = data.get("version", VERSION)
    if version != VERSION:
        raise SettingsError(
            f"{path}: version: {version!r} - this tocsin reads settings of version {VERSION}. "
            "A newer file needs a newer tocsin; see docs/reference/settings.md for the form of this one."
        )
    return resolve(validate(data, str(path)), path.parent)


def validate(data: dict[str, Any], origin: str) -> Settings:
    """Settings of plain values and the environment; raises `SettingsError` that lists every fault."""
    try:
        return Settings(**data)
    except ValidationError as problem:
        lines = sentences(problem.errors(), Settings)
        raise SettingsError(f"{origin}: {len(lines)} fault{'s' if len(lines) > 1 else ''}\n  " + "\n  ".join(lines)) from None


def resolve(settings: M, directory: Path) -> M:
    """The same settings with file names that do not depend on the working directory."""
    return settings.model_copy(update={name: _absolute(getattr(settings, name), directory) for name in type(settings).model_fields})


def _absolute(value: Any, directory: Path) -> Any:
    if isinstance(value, Path):
        return (directory / value).absolute()
    if isinstance(value, BaseModel):
        return resolve(value, directory)
    if isinstance(value, tuple):
        return tuple(_absolute(one, directory) for one in value)
    return value
