"""An engine's part in the election as a process of its own, to be killed or hung.

python -m tests.contract.ownership_holder SERVERS CELL CONFIG NAME

It writes a line for what happens: `waits <why>`, `holds`, `lost <why>`. A line on its input hangs its event loop for so many seconds.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time

from alarm_engine.journal.kafka_settings import KafkaSettings
from alarm_engine.ownership.kafka import KafkaOwnership


def say(*words: str) -> None:
    sys.stdout.write(" ".join(words) + "\n")
    sys.stdout.flush()


async def main(servers: str, cell: str, config: str, name: str) -> None:
    loop = asyncio.get_running_loop()

    def obey() -> None:
        for line in sys.stdin:
            loop.call_soon_threadsafe(time.sleep, float(line))

    threading.Thread(target=obey, daemon=True).start()
    ownership = KafkaOwnership(KafkaSettings(servers, name=name, cell=cell), [config])
    await ownership.start()
    while True:
        lease = await ownership.acquire(config, lambda wait: say("waits", wait.why))
        say("holds")
        say("lost", await lease.lost())
        await lease.release()


asyncio.run(main(*sys.argv[1:]))
