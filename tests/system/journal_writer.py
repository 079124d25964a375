"""A process that appends batches to a journal as fast as it can and says which were acknowledged: it is killed while it does."""

import asyncio
import sys

from alarm_engine.journal.port import Cleanup, Position, Record, TopicSpec
from alarm_engine.journal.sqlite import JournalOptions, SqliteJournal
from alarm_engine.journal.sqlite_file import SqliteFile

BATCH = 5


def batch(n: int) -> list[Record]:
    """Records over two topics that all carry the number of the batch."""
    value = str(n).encode()
    return [Record("Demo" if i % 2 else "DemoEvents", f"{n}.{i}", value * (1 + n % 50)) for i in range(BATCH)]


async def main(path: str) -> None:
    journal = SqliteJournal(SqliteFile(path), JournalOptions(upkeep_period_s=0.3))
    await journal.start()
    await journal.ensure_topics([TopicSpec("Demo", Cleanup.COMPACT), TopicSpec("DemoEvents", Cleanup.DELETE)])
    first = (await journal.position("writer", "Demo") or 0) + 1

    async def append(lane: int) -> None:
        for n in range(first + lane, first + 1_000_000, 3):
            await journal.append(batch(n), [Position("writer", "Demo", n), Position(f"lane{lane}", "Demo", n)])
            print(n, flush=True)

    await asyncio.gather(*(append(lane) for lane in range(3)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
