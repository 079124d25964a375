"""IOCs: do name servers answer, are PVs found and delivered, and do their time stamps make sense.

A PV is taken to be there when its first value has come: a connection alone gives no alarm.
"""

from __future__ import annotations

import asyncio
import os
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from alarm_engine.config.in_force import in_force
from alarm_engine.config.tree import ConfigTree
from alarm_engine.model.path import name
from alarm_engine.model.reading import Connection, Failure, Input, Reading
from alarm_engine.model.settings import AlarmSettings
from alarm_engine.model.times import NANOS_PER_SECOND, Nanos, iso
from alarm_engine.sources.port import Subscription
from tocsin.engine_settings import channel_access
from tocsin.examination.finding import Finding, fault, good, note, warning
from tocsin.examination.site import Site, SiteTree
from tocsin.journals import visiting

_SAMPLE = 40
"""PVs of each tree that are looked for."""
_TOLD = 5
_SETTLE_S = 1.0
"""After the last PV has come, for its next value to tell the clock of the IOC."""
_CLOCK_S = 2.0
_DEFAULT_PORT = 5064


@dataclass(slots=True)
class Seen:
    """What came of each PV, gathered on the thread of the source."""

    wanted: frozenset[str]
    servers: dict[str, str] = field(default_factory=dict)
    """By PV: `host:port` of its IOC."""
    readings: dict[str, list[tuple[Nanos, Nanos]]] = field(default_factory=dict)
    """By PV: time stamp and time of arrival of each value."""
    failures: dict[str, str] = field(default_factory=dict)
    """By PV: why it can never be one."""
    complete: threading.Event = field(default_factory=threading.Event)

    def take(self, inputs: Sequence[Input]) -> None:
        """The sink of the source."""
        now = Nanos(time.time_ns())
        for one in inputs:
            if isinstance(one, Reading):
                self.readings.setdefault(one.pv, []).append((one.pv_time, now))
            elif isinstance(one, Connection) and one.up:
                self.servers[one.pv] = one.server
            elif isinstance(one, Failure):
                self.failures[one.pv] = one.problem
        if self.wanted <= self.readings.keys() | self.failures.keys():
            self.complete.set()

    @property
    def missing(self) -> list[str]:
        """PVs of which nothing came."""
        return sorted(self.wanted - self.readings.keys() - self.failures.keys())


def addresses(site: Site) -> Iterator[Finding]:
    """Where PVs are searched, and whether the name servers take connections."""
    section = site.settings.channel_access
    given = {
        "EPICS_CA_ADDR_LIST": None if section.addr_list is None else f"addr_list {' '.join(section.addr_list) or '(empty)'}",
        "EPICS_CA_AUTO_ADDR_LIST": _networks(section.auto_addr_list),
        "EPICS_CA_NAME_SERVERS": f"name servers {' '.join(section.name_servers)}" if section.name_servers else None,
    }
    # What the settings do not give is left to the environment.
    told = [by_settings or f"{name}={os.environ[name]}" for name, by_settings in given.items() if by_settings or name in os.environ]
    yield note("search for PVs", ", ".join(told) or "in all networks of this machine: neither settings nor EPICS_CA_ variables say where")
    if section.addr_list == () and section.auto_addr_list is False and not section.name_servers:
        yield fault("search for PVs", "no IOC can be found: there is nowhere to search", "give channel_access.addr_list or name_servers")
    for server in section.name_servers:
        yield _name_server(server)


def _networks(every: bool | None) -> str | None:
    return None if every is None else "all networks of this machine" if every else "no other network"


def _name_server(address: str) -> Finding:
    host, _, port = address.rpartition(":") if ":" in address else (address, "", "")
    subject = f"name server {address}"
    try:
        with socket.create_connection((host, int(port) if port else _DEFAULT_PORT), timeout=3):
            return good(subject, "takes connections")
    except ValueError:
        return fault(subject, f"{port!r} is no port", "write host:port in channel_access.name_servers")
    except OSError as problem:
        return fault(subject, f"takes no connection: {problem.strerror or problem}", "is it running? is a firewall between?")


def pvs(site: Site) -> Iterator[Finding]:
    """A sample of each tree, or the PVs that were named, are connected to over Channel Access, as the engine does it."""
    wanted = site.wanted.pvs or tuple(_sample(site))
    if not wanted:
        yield note("PVs", "no tree is known here to take some from: name one with --pv")
        return
    seen = Seen(frozenset(wanted))
    source = channel_access(site.settings)
    source.start(seen.take)
    try:
        source.subscribe(Subscription(pv, values=True) for pv in wanted)
        # The report is not to wait for us: what has not come by then is told as missing.
        if seen.complete.wait(max(0.5, site.wanted.patience_s * 0.6 - _SETTLE_S)):
            time.sleep(_SETTLE_S)
    finally:
        source.close()
    yield from judge(seen, Nanos(time.time_ns()), named=bool(site.wanted.pvs))


def judge(seen: Seen, now: Nanos, *, named: bool) -> Iterator[Finding]:
    """What came of the PVs, IOC by IOC."""
    number, missing = len(seen.wanted), seen.missing
    of = "named" if named else "of a sample of the trees"
    for pv, why in sorted(seen.failures.items()):
        yield fault(f"PV {pv}", why, "only Channel Access is read: plain names, or ca://")
    if missing:
        connected = sorted(set(missing) & seen.servers.keys())
        told = f"{len(missing)} of {number} {of} did not come: {_some(missing)}"
        if connected:
            told += f"; connected, without a value: {_some(connected)}"
        advice = "is the IOC up? does caget find it from this machine? is the name right, and channel_access in the settings?"
        yield (fault if named or len(missing) * 2 > number else warning)("PVs", told, advice)
    by_server = Counter(seen.servers.get(pv, "?") for pv in seen.readings)
    if by_server:
        told = ", ".join(f"{server} ({count})" for server, count in sorted(by_server.items()))
        yield good("PVs", f"{len(seen.readings)} of {number} {of} have come, from {told}")
    for server in sorted(by_server):
        yield from _clock(server, [readings for pv, readings in seen.readings.items() if seen.servers.get(pv, "?") == server], now)


def _clock(server: str, readings: Sequence[Sequence[tuple[Nanos, Nanos]]], now: Nanos) -> Iterator[Finding]:
    """The clock of an IOC: values that came after the first were stamped a moment before, and none can be stamped later than now."""
    subject = f"clock of IOC {server}"
    late_s = [(arrival - stamp) / NANOS_PER_SECOND for values in readings for stamp, arrival in values[1:]]
    newest = max(stamp for values in readings for stamp, _ in values)
    advice = "set its clock: is its time server there? Alarms are decided all the same, but their times are wrong"
    if (newest - now) / NANOS_PER_SECOND > _CLOCK_S:
        told = f"is ahead: a value is stamped {iso(newest)}, {(newest - now) / NANOS_PER_SECOND:,.1f} s from now"
        yield warning(subject, told, advice)
    elif not late_s:
        yield note(subject, f"not told: no value changed meanwhile, and the newest is stamped {iso(newest)}")
    elif min(late_s) > _CLOCK_S:
        yield warning(subject, f"is {min(late_s):,.1f} s behind that of this machine", advice)
    else:
        yield good(subject, f"agrees with that of this machine ({abs(min(late_s, key=abs)):.2f} s)")


def _some(names: Sequence[str]) -> str:
    more = len(names) - _TOLD
    return ", ".join(names[:_TOLD]) + (f" and {more} more" if more > 0 else "")


def _sample(site: Site) -> Iterator[str]:
    """PVs of alarms in service, spread over each tree."""
    for one in site.trees:
        paths = sorted(path for path, settings in _alarms(site, one).items() if settings.enabled)
        number = min(_SAMPLE, len(paths))
        yield from (name(paths[index * len(paths) // number]) for index in range(number))


def _alarms(site: Site, one: SiteTree) -> dict[str, AlarmSettings]:
    """Of the files, or where there are none, of the journal."""
    tree: ConfigTree | None = one.result.tree if one.result is not None else None
    if tree is not None:
        return dict(tree.alarms)
    configuration = one.configuration
    if configuration is None or not site.uses_kafka:
        return {}

    async def ask() -> dict[str, AlarmSettings]:
        async with visiting(site.settings) as journal:
            topic = (await in_force(journal, configuration.name, configuration.zone)).topic
        return {path: settings for path, settings in topic.items() if isinstance(settings, AlarmSettings)}

    return asyncio.run(ask())
