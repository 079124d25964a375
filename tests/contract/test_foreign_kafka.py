"""An engine that yields to another writer on a real broker: half a minute passes on a clock that the test moves."""

from __future__ import annotations

import pytest

from alarm_engine.journal.kafka import KafkaJournal
from alarm_engine.journal.kafka_settings import KafkaSettings
from tests.contract.journals import read_all
from tests.contract.kafka_topics import RenamedTopics, servers_or_skip
from tests.kafka_broker import random_topic
from tests.unit.test_engine_foreign import Beside, yields_until_it_is_quiet

pytestmark = pytest.mark.timeout(240)


class OnKafka(Beside):
    """With topics of its own on the broker of the session."""

    patience_s = 60.0

    def __init__(self) -> None:
        super().__init__()
        self.journal = RenamedTopics(KafkaJournal(KafkaSettings(servers_or_skip())), random_topic())

    async def read(self, topic: str):
        return await read_all(self.journal, topic)


async def test_it_writes_nothing_until_the_other_is_quiet_and_goes_on_from_what_it_finds():
    await yields_until_it_is_quiet(OnKafka())
