"""The engines, by the life signs that they give in the journal: who evaluates, who stands by, what they say of themselves."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from alarm_engine.errors import WireError
from alarm_engine.journal.port import Journal
from alarm_engine.model.status import EngineStatus
from alarm_engine.model.times import NANOS_PER_SECOND, Nanos, iso
from alarm_engine.wire.keys import RecordType, parse_key
from alarm_engine.wire.status import decode_status
from alarm_engine.wire.topics import Topics, status_topic
from tocsin.examination.finding import Finding, fault, good, note, warning
from tocsin.examination.site import Site
from tocsin.journals import visiting

_LISTEN_S = 2.5
"""Life signs come each second."""
_BACK = 500
_LATE_MS = 2000
_CLOCK_S = 1.0
_START = "start one: `tocsin run`, or `tocsin engine`"


@dataclass(slots=True)
class Heard:
    """What was heard of a configuration."""

    running: dict[str, EngineStatus] = field(default_factory=dict)
    """By name of the engine, of those that spoke while we listened."""
    standing_by: dict[str, EngineStatus] = field(default_factory=dict)
    late_s: list[float] = field(default_factory=list)
    """For each sign that came while we listened: our clock when it came, less that of the engine when it spoke."""
    last: EngineStatus | None = None
    """The last sign of one that runs it, also from before."""
    knows_events: bool = False
    """An engine has evaluated it at some time."""


def engines(site: Site) -> Iterator[Finding]:
    """One line for each configuration that an engine of ours evaluates, and for what is wrong with it."""
    settings = site.settings
    ours = [one.name for one in site.configurations if not one.phoebus]
    foreign = [one.name for one in site.configurations if one.phoebus]
    if foreign:
        yield note("engine", f"a Phoebus alarm server evaluates {', '.join(foreign)}: see what the web side says of its life sign")
    if not ours:
        return
    if not site.uses_kafka and not settings.store.exists():
        yield warning("engine", f"none has run yet: {settings.store} is not there", "start one: `tocsin run`")
        return
    heard = asyncio.run(_listen(site, ours))
    for config in ours:
        yield from judge(config, heard[config], kafka=site.uses_kafka, now=Nanos(time.time_ns()))
    yield from clocks([late for one in heard.values() for late in one.late_s], settings.engine.command_max_age_s)


async def _listen(site: Site, configs: list[str]) -> dict[str, Heard]:
    heard = {config: Heard() for config in configs}
    topic = status_topic(site.settings.cell).name
    async with visiting(site.settings) as journal:
        for config in configs:
            heard[config].knows_events = await journal.end(Topics(config).events) > 0
        await _hear(journal, topic, heard)
    return heard


async def _hear(journal: Journal, topic: str, heard: dict[str, Heard]) -> None:
    end = await journal.end(topic)
    reader = journal.reader([topic], {topic: max(0, end - _BACK)})
    try:
        until = time.monotonic() + _LISTEN_S
        with suppress(TimeoutError):
            async with asyncio.timeout(_LISTEN_S + 1):
                while (left := until - time.monotonic()) > 0:
                    for record in (await reader.fetch(timeout_s=left)).records:
                        with suppress(WireError):
                            kind, _ = parse_key(record.key)
                            _note(kind, decode_status(record.value or b""), heard, new=record.offset >= end)
    finally:
        await reader.close()


def _note(kind: RecordType, status: EngineStatus, heard: dict[str, Heard], *, new: bool) -> None:
    about = heard.get(status.config)
    if about is None:
        return
    if kind is RecordType.STATUS:
        about.last = status
    if not new:
        return
    about.late_s.append((time.time_ns() - status.time) / NANOS_PER_SECOND)
    if kind is RecordType.STATUS:
        about.running[status.engine] = status
    elif kind is RecordType.STANDBY:
        about.standing_by[status.engine] = status


def judge(config: str, heard: Heard, *, kafka: bool, now: Nanos) -> Iterator[Finding]:
    """What the life signs say of one configuration."""
    subject = f"engine of {config}"
    if not heard.running:
        yield _silent(subject, heard, now)
        return
    for status in heard.running.values():
        yield from _judge_running(subject, status)
    if len(heard.running) > 1:
        names = " and ".join(sorted(heard.running))
        yield warning(subject, f"{names} both gave life signs: one has just taken over, or two cells serve it", "ask again in a minute")
    if heard.standing_by:
        yield good(subject, f"stands by, ready to take over: {', '.join(sorted(heard.standing_by))}")
    elif kafka:
        yield warning(subject, "none stands by: the next fault is an outage", "start a second `tocsin engine` on another machine")


def _silent(subject: str, heard: Heard, now: Nanos) -> Finding:
    if heard.last is not None:
        ago = (now - heard.last.time) / NANOS_PER_SECOND
        told = f"no life sign for {ago:,.0f} s, the last was of {heard.last.engine} at {iso(heard.last.time)}: alarms are NOT evaluated"
        return fault(subject, told, f"see its log; {_START}")
    if heard.knows_events:
        return fault(subject, "no life sign, and there was none for an hour: alarms are NOT evaluated", _START)
    return warning(subject, "none has run yet", _START)


def _judge_running(subject: str, status: EngineStatus) -> Iterator[Finding]:
    missing = status.pvs_total - status.pvs_connected
    yield good(subject, f"{status.engine} evaluates it, {status.pvs_connected:,} of {status.pvs_total:,} PVs are connected")
    if missing:
        share = missing / status.pvs_total
        told = f"{missing:,} of {status.pvs_total:,} PVs are not connected"
        advice = "the lines on IOCs below say which of a sample; `tocsin alarms --state active` lists those that are UNDEFINED"
        yield fault(subject, told, advice) if share > 0.5 else warning(subject, told, advice)
    if status.lag_ms > _LATE_MS:
        told = f"{status.backlog:,} inputs wait, the oldest since {status.lag_ms / 1000:,.1f} s"
        yield warning(subject, told, "is the journal slow, or does something chatter? `tocsin tune` finds what")
    if status.dropped:
        told = f"{status.dropped:,} inputs were merged since it started, because too many waited"
        yield warning(subject, told, "no alarm was lost, a change in between may be: see docs/explanations/how-alarms-are-decided.md")
    if status.foreign:
        yield fault(subject, status.foreign, "stop the other server: see docs/how-to/when-something-is-wrong.md")


def clocks(late_s: list[float], command_max_age_s: float) -> Iterator[Finding]:
    """Our clock and that of the engines: of the delays, the least is nearest to the difference."""
    if not late_s:
        return
    least = min(late_s, key=abs)
    subject = "clock of the engine"
    if abs(least) <= _CLOCK_S:
        yield good(subject, f"agrees with that of this machine ({abs(least):.2f} s, with the way of its life sign)")
        return
    told = f"is {abs(least):,.1f} s {'behind' if least > 0 else 'ahead of'} that of this machine"
    advice = "set the clocks by NTP"
    if abs(least) >= command_max_age_s:
        told += "; commands that are given here are refused as too old, or taken for new when they are not"
        yield fault(subject, told, advice)
    else:
        yield warning(subject, told, advice)
