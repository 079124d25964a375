"""The engine with its journal and nothing else: `python -m benchmarks.engine_only SITE.yaml`. For figures of the engine alone."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

from alarm_engine.clock import SystemClock
from alarm_engine.config.sync import sync
from alarm_engine.engine import Engine, EnginePorts, EngineSettings
from alarm_engine.evaluator import EvaluatorSettings
from alarm_engine.journal.sqlite import SqliteJournal
from alarm_engine.journal.sqlite_file import SqliteFile
from alarm_engine.ownership.sole import SoleOwnership
from alarm_engine.runner import RunnerSettings
from alarm_engine.sources.ca import CaSettings, CaSource
from tocsin import logs
from tocsin.settings import load
from tocsin.trees import AUTHOR, load_all


async def main(path: Path) -> None:
    settings = load(path)
    logs.set_up("error", "auto")
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    journal = SqliteJournal(SqliteFile(settings.store))
    await journal.start()
    trees = [loaded.tree for loaded in load_all(settings.configurations)]
    for tree in trees:
        await sync(journal, tree, AUTHOR)
    chosen = settings.channel_access
    source = CaSource(CaSettings(chosen.addr_list, chosen.auto_addr_list, chosen.name_servers))
    runners = tuple(RunnerSettings(EvaluatorSettings(tree.name)) for tree in trees)
    engine = Engine(EngineSettings("bench", settings.cell, runners), EnginePorts(journal, source, SoleOwnership(), SystemClock()))
    await engine.start()
    await stopping.wait()
    await engine.stop()
    await journal.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
