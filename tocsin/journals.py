"""The journal of a site as its settings choose it: for the parts of a process, and for a short visit beside a running engine."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog

from alarm_engine.config.sync import Writer as RevisionWriter
from alarm_engine.errors import JournalUnavailable
from alarm_engine.holding import Writer
from alarm_engine.journal.file_lock import FileLock
from alarm_engine.journal.kafka import KafkaJournal
from alarm_engine.journal.kafka_settings import KafkaSecurity, KafkaSettings
from alarm_engine.journal.port import Journal
from alarm_engine.journal.sqlite import SqliteJournal
from alarm_engine.journal.sqlite_file import SqliteFile
from alarm_engine.journal.sqlite_open import Access, FileOptions
from alarm_engine.ownership.kafka import KafkaOwnership
from alarm_engine.ownership.kafka_electorate import Electorate
from alarm_engine.ownership.port import Ownership
from alarm_engine.ownership.sole import SoleOwnership
from alarm_engine.wire.topics import Topics
from tocsin.settings import Settings
from tocsin.settings_sections import KafkaSection

log = structlog.get_logger()

_PAUSE_S = 1.0
_TURN_S = 0.05
_LONGEST_SYNC_S = 30.0


@dataclass(frozen=True, slots=True)
class SiteJournal:
    """What the parts of a process are given; `shared` is started by whoever asked for it, see `connect`."""

    shared: Journal
    ownership: Ownership
    writer: Writer | None
    """Opens the journal as the one writer of a configuration; None: `shared` is that."""


def open_journal(settings: Settings, file: SqliteFile, configs: Sequence[str]) -> SiteJournal:
    """The journal of the settings; `file` is the embedded store, of no use with Kafka."""
    if settings.journal == "sqlite":
        return SiteJournal(SqliteJournal(file), SoleOwnership(), None)

    @asynccontextmanager
    async def writer(config: str) -> AsyncIterator[Journal]:
        journal = KafkaJournal(kafka_settings(settings, owns=config))
        await journal.start()
        try:
            yield journal
        finally:
            await journal.close()

    return SiteJournal(KafkaJournal(kafka_settings(settings)), KafkaOwnership(kafka_settings(settings), configs), writer)


def history_ownership(settings: Settings, topics: Mapping[str, str]) -> Ownership | None:
    """Who of several processes writes the history of which configuration; None where each has a store of its own.

    `topics`: of each configuration, the one that its history is made of.
    """
    if settings.journal == "sqlite" or settings.history.store == "sqlite":
        return None
    kafka = kafka_settings(settings)
    return KafkaOwnership(kafka, Electorate(kafka.group("history-writers"), "history writer", "", topics, writes=False))


def process_name() -> str:
    """Host and process, for those who look for it."""
    return f"{socket.gethostname()}:{os.getpid()}"


def kafka_settings(settings: Settings, owns: str | None = None) -> KafkaSettings:
    """How the cluster is reached."""
    return kafka_of(settings.kafka, settings.cell, owns)


def kafka_of(kafka: KafkaSection, cell: str, owns: str | None = None) -> KafkaSettings:
    """The same, of one section of the settings."""
    security = KafkaSecurity(
        tls=kafka.tls,
        ca_file=kafka.ca_file,
        certificate_file=kafka.certificate_file,
        key_file=kafka.key_file,
        key_password_file=kafka.key_password_file,
        mechanism=kafka.mechanism,
        user=kafka.user,
        password_file=kafka.password_file,
    )
    return KafkaSettings(
        servers=kafka.servers,
        name=process_name(),
        owns=owns,
        cell=cell,
        security=security,
        properties={name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in kafka.properties.items()},
        prefix=kafka.prefix,
        replication_factor=kafka.replication_factor,
        write_timeout_s=kafka.write_timeout_s,
        session_s=kafka.session_s,
    )


async def patiently(what: str, action: Callable[[], Awaitable[None]]) -> None:
    """Do something as soon as the journal is there; says once, and whenever it changes, why not yet."""
    said = ""
    while True:
        try:
            await action()
        except JournalUnavailable as problem:
            if str(problem) != said:
                log.warning("waiting for the journal", to=what, problem=str(problem))
            said = str(problem)
            await asyncio.sleep(_PAUSE_S)
        else:
            if said:
                log.info("the journal is there", to=what)
            return


def revision_writer(settings: Settings, journal: Journal, config: str) -> RevisionWriter:
    """Opens `journal`, or one like it, as the one writer of revisions of a configuration.

    In Kafka whoever had that before is fenced; beside the embedded file is a lock, which is waited for.
    """

    @asynccontextmanager
    async def in_kafka() -> AsyncIterator[Journal]:
        writer = KafkaJournal(kafka_settings(settings, owns=Topics(config).settings))
        await writer.start()
        try:
            yield writer
        finally:
            await writer.close()

    @asynccontextmanager
    async def in_file() -> AsyncIterator[Journal]:
        lock = FileLock(settings.store.with_name(settings.store.name + ".sync"))
        deadline = time.monotonic() + _LONGEST_SYNC_S
        while True:
            try:
                lock.acquire()
                break
            except JournalUnavailable:
                if time.monotonic() > deadline:
                    raise
            await asyncio.sleep(_TURN_S)
        try:
            yield journal
        finally:
            lock.release()

    return in_kafka if settings.journal == "kafka" else in_file


@asynccontextmanager
async def visiting(settings: Settings, *, writing: bool = False) -> AsyncIterator[Journal]:
    """The journal, to read or to write a few records in. Raises `JournalError`."""
    journal: Journal
    if settings.journal == "kafka":
        journal = KafkaJournal(kafka_settings(settings))
    else:
        journal = SqliteJournal(SqliteFile(settings.store, FileOptions(access=Access.GUEST if writing else Access.READ)))
    await journal.start()
    try:
        yield journal
    finally:
        await journal.close()


@asynccontextmanager
async def visiting_as_owner(settings: Settings, config: str) -> AsyncIterator[Journal]:
    """The journal in Kafka as the one writer of a configuration. Raises `JournalError`.

    An engine that runs it is fenced, and reads it anew.
    """
    journal = KafkaJournal(kafka_settings(settings, owns=config))
    await journal.start()
    try:
        yield journal
    finally:
        await journal.close()
