"""A process that runs an engine under load and prints what it has published: `python -m tests.engine_under_load FILE SEED`."""

from __future__ import annotations

import asyncio
import random
import sys
from pathlib import Path

import structlog

from alarm_engine.clock import SystemClock
from alarm_engine.engine import Engine, EnginePorts, EngineSettings
from alarm_engine.evaluator import EvaluatorSettings
from alarm_engine.journal.sqlite import SqliteJournal
from alarm_engine.journal.sqlite_file import SqliteFile
from alarm_engine.model.command import Command, CommandKind
from alarm_engine.model.severity import Severity
from alarm_engine.ownership.sole import SoleOwnership
from alarm_engine.runner import RunnerSettings
from alarm_engine.sources.memory import MemorySource
from alarm_engine.wire.command import encode_command
from alarm_engine.wire.topics import Topics

TOPICS = Topics("Load")
LIVE = (Severity.OK, Severity.MINOR, Severity.MAJOR, Severity.INVALID)


def make_engine(journal: SqliteJournal, source: MemorySource) -> Engine:
    settings = EngineSettings("load", "load", (RunnerSettings(EvaluatorSettings("Load")),))
    return Engine(settings, EnginePorts(journal, source, SoleOwnership(), SystemClock()))


async def tell(journal: SqliteJournal, start: int) -> None:
    """Print the value of each event as soon as somebody else can read it."""
    reader = journal.reader([TOPICS.events], {TOPICS.events: start})
    while True:
        for record in (await reader.fetch()).records:
            sys.stdout.buffer.write((record.value or b"") + b"\n")
        sys.stdout.buffer.flush()


async def main(path: Path, seed: int) -> None:
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    chance = random.Random(seed)
    journal, source = SqliteJournal(SqliteFile(path)), MemorySource()
    await journal.start()
    engine = make_engine(journal, source)
    telling = asyncio.create_task(tell(journal, await journal.end(TOPICS.events)))
    await engine.start()
    pvs = list(source.subscriptions)
    while True:
        for _ in range(chance.randrange(1, 30)):
            severity = chance.choice(LIVE)
            source.put(chance.choice(pvs), severity, f"{severity.name}_{chance.randrange(3)}")
        if chance.random() < 0.3:
            target = f"/Load/S/{chance.choice(pvs)}"
            kind = chance.choice([CommandKind.ACKNOWLEDGE, CommandKind.DISABLE, CommandKind.ENABLE])
            await journal.append([encode_command(Command(target, kind, "mara", "ops7", id=str(chance.random())), TOPICS.command)])
        await asyncio.sleep(0)
        if telling.done():
            telling.result()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
