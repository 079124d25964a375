"""Plays a recorded session against our engine, on a real IOC, and on topics that are written and read as a client of Phoebus does.

Between two moments the clock stands still until all that was caused has been published: what was put has passed a marker on the same
circuit, what was written has passed a command that is refused, in each topic. So nothing is noted too early, and no time is lost.

A kill of the server is a stop of our engine: it decides and writes nothing more, as a kill would have it.
"""

from __future__ import annotations

import asyncio
import math
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, timedelta
from typing import Any

from alarm_engine.engine import Engine, EnginePorts, EngineSettings
from alarm_engine.evaluator import EvaluatorSettings
from alarm_engine.model.times import to_datetime
from alarm_engine.ownership.sole import SoleOwnership
from alarm_engine.runner import RunnerSettings
from alarm_engine.sources.ca import CaSource
from alarm_engine.wire.config import encode_config
from alarm_engine.wire.keys import RecordType, key
from alarm_engine.wire.topics import Topics
from tests.conformance.session import Published, Session, Window, blank
from tests.conformance.sites import Seen, Site
from tests.conformance.virtual_time import VirtualClock, VirtualSource
from tests.ioc import Ioc

MARKER = "conformance:marker"
_PATIENCE_S = 60.0
"""libca begins to search a lost IOC only with the next beat of a 10 s timer, and the machine may be busy."""
_TURN_S = 0.05
_FUTURE_DATE = re.compile(r"@now\+(\d+)")
_RECORD = re.compile(r'record\(\w+, *"([^"]+)"\)')


@dataclass(slots=True)
class Played:
    """What our engine published."""

    imported: dict[str, str] = field(default_factory=dict)
    windows: list[list[Published]] = field(default_factory=list)
    """As those of the session."""


class Player:
    """One session being played."""

    def __init__(self, session: Session, site: Site, ioc: Ioc) -> None:
        self._session = session
        self._site = site
        self._ioc = ioc
        self._topics = Topics(session.config)
        self._served = frozenset(_RECORD.findall(session.database))
        self._clock = VirtualClock()
        self._source: VirtualSource | None = None
        self._engine: Engine | None = None
        self._cell = f"{session.config}Cell"
        self._marks = 0
        self._sent: list[tuple[str, str | None]] = []
        self._played = Played()

    async def play(self) -> Played:
        """All steps, up to the end of the recording."""
        session = self._session
        try:
            await self._site.open(self._topics, self._cell)
            await self._import()
            await self._read()
            self._played.windows.append([])
            self._clock.move_to(session.started_at)
            for window, following in zip(session.windows, [*session.windows[1:], None], strict=True):
                if window.number >= 0:
                    self._played.windows.append([])
                await self._do(window)
                await self._run_until(following.at if following else session.ends_at)
        finally:
            if self._engine is not None:
                await self._engine.stop()
        return self._played

    async def _import(self) -> None:
        for path, settings in self._session.tree:
            value = encode_config(settings, "user", "host", UTC)
            await self._site.write(self._topics.config, key(RecordType.CONFIG, path), value)

    # ------------------------------------------------------------------ steps

    async def _do(self, window: Window) -> None:
        step = window.step
        if step["do"] == "server" and step["op"] == "start":
            await self._run_until(window.at + self._session.starts.get(window.number, 0.0))
            await self._start()
        elif step["do"] == "server":
            await self._stop()
        elif step["do"] == "ioc":
            (self._ioc.stop if step["op"] == "stop" else self._ioc.restart)()
        elif step["do"] == "put":
            self._ioc.put(step["pv"], step["value"])
        else:
            await self._write(step)
        await self._settle()

    async def _write(self, step: dict[str, Any]) -> None:
        """A record as a client sent it; dates that were relative to the clock are so again."""
        text = step["raw"]
        if isinstance(step["value"], dict) and (relative := _FUTURE_DATE.fullmatch(str(step["value"].get("enabled", "")))):
            date = to_datetime(self._clock.now().wall).replace(microsecond=0) + timedelta(seconds=int(relative[1]))
            text = re.sub(r'"enabled":"[^"]*"', f'"enabled":"{date:%Y-%m-%dT%H:%M:%S}"', text)
        topic = self._topics.command if step["do"] == "command" else self._topics.config
        self._sent.append((step["key"], text))
        await self._site.write(topic, step["key"], None if text is None else text.encode())

    async def _start(self) -> None:
        limits = self._session.settings
        hours, minutes, seconds = (int(part) for part in limits.get("nag_period", "00:15:00").split(":"))
        evaluator = EvaluatorSettings(
            self._session.config,
            connection_timeout_s=float(limits.get("connection_timeout", 30)),
            nag_period_s=hours * 3600 + minutes * 60 + seconds,
            # The journal bears the time of today, the engine that of the recording.
            command_max_age_s=math.inf,
        )
        self._source = VirtualSource(CaSource(), self._clock, MARKER)
        ports = EnginePorts(self._site.journal, self._source, SoleOwnership(), self._clock, self._site.writer)
        self._engine = Engine(EngineSettings("conformance", self._cell, (RunnerSettings(evaluator, UTC, monitor_values=True),)), ports)
        await self._engine.start()

    async def _stop(self) -> None:
        assert self._engine is not None
        await self._engine.stop()
        self._engine = self._source = None

    # ------------------------------------------------------------------ time

    async def _run_until(self, seconds: float) -> None:
        """Move the clock there, with a halt at each deadline of the engine before it."""
        while self._engine is not None:
            deadline = self._engine.runners[0].evaluator.deadline()
            if deadline is None or self._clock.seconds_of(deadline) >= seconds:
                break
            self._clock.move_to(max(self._clock.seconds, self._clock.seconds_of(deadline)))
            await self._settle()
        self._clock.move_to(max(self._clock.seconds, seconds))

    async def _settle(self) -> None:
        """Wait until everything that has been caused is published, and note it."""
        if self._engine is not None:
            assert self._source is not None
            await self._pass_marker()
            delivered = -1
            while delivered != self._source.delivered:
                delivered = self._source.delivered
                await self._pass_topics()
                if self._ioc.is_running:
                    await self._until(self._is_heard, "samples of all variables")
        await self._read()

    async def _pass_marker(self) -> None:
        assert self._source is not None
        if not self._ioc.is_running:
            source = self._source
            await self._until(lambda: not source.connected(self._served), "the end of all connections")
            return
        self._marks += 1
        self._ioc.put(MARKER, self._marks)
        await self._until(self._is_heard, "the marker")

    def _is_heard(self) -> bool:
        assert self._source is not None
        return self._source.marked == self._marks and not self._source.unheard(self._served)

    async def _until(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + _PATIENCE_S
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self._session.name} at {self._clock.seconds:g} s: waited in vain for {what}")
            await asyncio.sleep(0.002)

    async def _pass_topics(self) -> None:
        """Have a command answered that was written after everything else, in each topic that the engine follows.

        One more belongs to a later round of the engine: when it is answered, the round of the others has ended, subscriptions included.
        """
        for topic in (self._topics.command, self._topics.config, self._topics.command):
            mark = key(RecordType.COMMAND, f"/{self._session.config}/nowhere/{secrets.token_hex(8)}")
            await self._site.write(topic, mark, b'{"user":"user","host":"host","command":"acknowledge"}')
            answer = mark.replace(RecordType.COMMAND, RecordType.EVENT, 1)
            deadline = time.monotonic() + _PATIENCE_S
            while answer not in await self._read(_TURN_S):
                if time.monotonic() > deadline or self._failed():
                    raise TimeoutError(f"{self._session.name} at {self._clock.seconds:g} s: no answer to a command") from self._failed()

    def _failed(self) -> BaseException | None:
        return self._engine.failure() if self._engine is not None else None

    # ------------------------------------------------------------------ what was published

    async def _read(self, wait_s: float = 0) -> set[str]:
        """Note what is there; returns the keys of the events, which say what is complete."""
        records = read = await self._site.read(wait_s)
        while any(record.topic == self._topics.events for record in read):
            # Topics may be read one after the other: what belongs to an event may have come behind it.
            read = await self._site.read()
            records = records + read
        for record in records:
            if record.topic != self._topics.events:
                self._note(record)
        return {record.key for record in records if record.topic == self._topics.events}

    def _note(self, record: Seen) -> None:
        text = None if record.value is None else record.value.decode()
        if not self._played.windows:
            self._played.imported[record.key] = blank(text)
        elif (record.key, text) in self._sent:
            self._sent.remove((record.key, text))
        elif not record.key.startswith("command:"):
            window = self._session.windows[len(self._played.windows) - 1]
            self._played.windows[-1].append(Published(record.key, blank(text), self._clock.seconds - window.at))
