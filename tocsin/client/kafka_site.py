"""A site in Kafka as a client is told of it: by a settings file, or by arguments that are those of its `kafka` section."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import ValidationError

from alarm_engine.errors import TocsinError
from alarm_engine.journal.kafka_settings import KafkaSettings
from backend.kpi.targets import LIMITS, Limits
from tocsin.client.errors import BadClientSettings
from tocsin.journals import kafka_of
from tocsin.settings import Settings, load
from tocsin.settings_faults import sentences
from tocsin.settings_sections import KafkaSection
from tocsin.trees import Configuration, chosen_configurations

_QUEUE_KBYTES = "queued.max.messages.kbytes"
_AHEAD_KBYTES = "16384"
"""The library would read 64 MB ahead of a reader that is not so quick."""


@dataclass(frozen=True, slots=True)
class KafkaSite:
    """What is followed, and how it is reached."""

    kafka: KafkaSettings
    configurations: tuple[Configuration, ...]
    cell: str
    limits: Limits = LIMITS
    """What figures of alarm performance are judged by."""

    @property
    def name(self) -> str:
        """For messages."""
        return f"Kafka at {self.kafka.servers}"


def site_of_file(path: str | Path, configs: Sequence[str]) -> KafkaSite:
    """The site of a settings file; `configs`: configurations of it, none: all. Raises `BadClientSettings`."""
    try:
        settings = load(Path(path).expanduser())
    except TocsinError as problem:
        raise BadClientSettings(str(problem)) from problem
    found = site_of(settings, None)
    chosen = tuple(one for name in configs for one in site_of(settings, name).configurations)
    return replace(found, configurations=chosen) if chosen else found


def site_of(settings: Settings, config: str | None) -> KafkaSite:
    """The site of settings; `config`: one configuration of it, None: all. Raises `BadClientSettings`."""
    if settings.journal != "kafka":
        raise BadClientSettings("the settings have the journal in a file (journal: sqlite): there is no Kafka to read, ask the backend")
    try:
        chosen = chosen_configurations(settings.configurations, config)
    except TocsinError as problem:
        raise BadClientSettings(str(problem)) from problem
    return KafkaSite(_reading(kafka_of(settings.kafka, settings.cell)), tuple(chosen), settings.cell, settings.figures.limits())


def site_of_arguments(configs: Sequence[str], time_zone: str, cell: str, phoebus: bool, kafka: Mapping[str, Any]) -> KafkaSite:
    """The site of arguments; `kafka`: keys of the section `kafka`. Raises `BadClientSettings` that tells all that is wrong."""
    if not configs:
        raise BadClientSettings("config: say which configuration is meant, as config='Accelerator'; its topics have that name")
    try:
        section = KafkaSection(**kafka)
    except ValidationError as problem:
        raise BadClientSettings("; ".join(sentences(problem.errors(), KafkaSection))) from None
    if not section.servers:
        raise BadClientSettings("servers: say where Kafka is, as 'kafka1:9092,kafka2:9092', or name a settings file")
    try:
        zone = ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadClientSettings(f"time_zone: {time_zone!r} is not a time zone: expected a name like Europe/Berlin or UTC") from None
    found = tuple(Configuration(name, zone, phoebus) for name in dict.fromkeys(configs))
    return KafkaSite(_reading(kafka_of(section, cell)), found, cell)


def _reading(kafka: KafkaSettings) -> KafkaSettings:
    """For who only reads and gives commands: no group, no topics of its own."""
    return replace(kafka, groupless=True, properties={_QUEUE_KBYTES: _AHEAD_KBYTES, **kafka.properties})
