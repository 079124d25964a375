"""This machine: versions of what is installed, the file of the store, names of other machines."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import sqlite3
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import confluent_kafka

from alarm_engine.journal.sqlite_errors import translate
from alarm_engine.journal.sqlite_open import Access, FileOptions, check, connect, prepare
from tocsin.examination.finding import Finding, fault, good, note, warning
from tocsin.examination.site import Site

_BAD_LIBRDKAFKA = (2, 16)
_OLDEST_PYTHON = (3, 11)
_LITTLE_BYTES = 1_000_000_000
_SCARCE = 0.1
"""Of the space or the inodes of a disk: a warning below it."""
_FULL = 0.02


def versions() -> Iterator[Finding]:
    """What runs here, and what of it is known to make trouble."""
    yield good("tocsin", f"{_version('tocsin')} on Python {'.'.join(map(str, sys.version_info[:3]))}")
    text, _ = confluent_kafka.libversion()
    yield librdkafka(text)
    base = _version("epicscorelibs")
    yield good("EPICS base", f"{'.'.join(base.split('.')[:3])} (libca of epicscorelibs {base}, pyepics {_version('pyepics')})")
    yield good("Elasticsearch client", _version("elasticsearch"))


def librdkafka(text: str) -> Finding:
    """The client library of Kafka, by its version."""
    numbers = tuple(int(part) for part in text.split("-", maxsplit=1)[0].split(".")[:2] if part.isdigit())
    if numbers == _BAD_LIBRDKAFKA:
        told = f"{text}: waits for ever for a coordinator whose broker was away (its issue 5511)"
        return warning("librdkafka", told, "pip install 'confluent-kafka<2.16'")
    return good("librdkafka", text)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "(not installed as a package)"


def store(site: Site) -> Iterator[Finding]:
    """The SQLite file: whose it is, what room its disk has, whether a process holds another one that was removed."""
    path, subject = site.settings.store, f"store {site.settings.store}"
    if site.uses_kafka and site.settings.history.store == "elasticsearch":
        yield note(subject, "is not used: the journal is in Kafka, the history in Elasticsearch")
        return
    directory = path.parent
    if not directory.is_dir():
        yield fault(subject, f"there is no directory {directory}", f"mkdir -p {directory}, and give it to the user who runs tocsin")
        return
    if not os.access(directory, os.W_OK | os.X_OK):
        told = f"the directory {directory} cannot be written by user {os.getuid()}"
        yield fault(subject, told, "the directory must be writable by the user who runs tocsin")
    yield from _room(directory)
    if not path.exists():
        yield note(subject, "is not there yet: the first `tocsin run`, or `tocsin history`, makes it")
        return
    yield from _file(path, subject)


def _room(directory: Path) -> Iterator[Finding]:
    subject = f"disk of {directory}"
    usage, inodes = shutil.disk_usage(directory), os.statvfs(directory)
    told = f"{usage.free / 1e9:,.1f} GB of {usage.total / 1e9:,.1f} GB are free"
    advice = "free some: full, nothing can be written, and everything says stale"
    if usage.free < _FULL * usage.total and usage.free < _LITTLE_BYTES:
        yield fault(subject, told, advice)
    elif usage.free < _SCARCE * usage.total:
        yield warning(subject, told, advice)
    else:
        yield good(subject, told)
    if inodes.f_files and inodes.f_favail < _FULL * inodes.f_files:
        told = f"{inodes.f_favail:,} of {inodes.f_files:,} inodes are free: no more files can be made soon"
        yield warning(subject, told, "look for a directory with very many small files")


def _file(path: Path, subject: str) -> Iterator[Finding]:
    told = f"{path.stat().st_size / 1e6:,.1f} MB"
    log = path.with_name(path.name + "-wal")
    if log.exists():
        told += f", write-ahead log {log.stat().st_size / 1e6:,.1f} MB"
    options = FileOptions(access=Access.READ)
    try:
        with contextlib.closing(connect(path, options)) as connection:
            prepare(connection, path, options)
            check(connection, path)
    except sqlite3.Error as problem:
        raise translate(problem, path) from problem
    lost = holders_of_removed(path)
    if lost:
        who = ", ".join(map(str, lost))
        told += f"; process {who} has a file of that name open which was removed or replaced: what it writes is lost"
        yield fault(subject, told, f"stop process {who}, and start it again")
    else:
        yield good(subject, f"{told}, readable")


def holders_of_removed(path: Path) -> list[int]:
    """Processes, as far as we may look at them, that have a removed file of that name open."""
    removed = f"{path.resolve()} (deleted)"
    found = set()
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if os.readlink(link) == removed:
                found.add(int(link.parts[2]))
        except OSError:
            continue  # ended meanwhile, or not ours to look at
    return sorted(found)


def names(site: Site) -> Iterator[Finding]:
    """Names of other machines in the settings: what they stand for."""
    found = sorted(set(_hosts(site)))
    if not found:
        yield note("names", "no other machine is named in the settings")
    resolved = []
    for host in found:
        try:
            addresses = {entry[4][0] for entry in socket.getaddrinfo(host, None)}
        except OSError as problem:
            why = problem.strerror or str(problem)
            yield fault(f"name {host}", f"stands for no address: {why}", "correct the name in the settings, or see to DNS or /etc/hosts")
        else:
            resolved.append(host if addresses == {host} else f"{host} is {', '.join(sorted(map(str, addresses)))}")
    if resolved:
        yield good("names", "; ".join(resolved))


def _hosts(site: Site) -> Iterator[str]:
    settings = site.settings
    access = settings.channel_access
    for address in (*settings.kafka.servers.split(","), *(access.addr_list or ()), *access.name_servers):
        if host := host_of(address):
            yield host
    for url in settings.history.elasticsearch.hosts:
        if host := host_of(url.partition("//")[2].partition("/")[0]):
            yield host


def host_of(address: str) -> str:
    """Of `host`, `host:port` or `[address]:port`."""
    address = address.strip()
    if address.startswith("["):
        return address[1:].partition("]")[0]
    return address if address.count(":") > 1 else address.partition(":")[0]
