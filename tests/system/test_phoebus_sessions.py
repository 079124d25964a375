"""Our engine against what the real Phoebus alarm server was recorded publishing, record by record.

On a real broker, whose topics are written and read by the plain library; and one session on the file of a machine without a broker.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from tests.conformance.compare import PathResult
from tests.conformance.kafka_site import KafkaSite
from tests.conformance.sessions import replay_all, sqlite_site
from tests.contract.kafka_topics import servers_or_skip

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]

DATA = Path(__file__).parent.parent / "data/phoebus_sessions"
PATHS = {"latching": 16, "delay_count": 8, "enablement": 16, "modes_talk": 11, "connection": 13, "tree_edits": 19}
"""Sessions, and how many paths each has: none may be left out unseen."""


@pytest.fixture(scope="module")
def results() -> dict[str, list[PathResult]]:
    """All sessions, side by side on one broker."""
    site = partial(KafkaSite, servers_or_skip())
    return dict(zip(PATHS, replay_all([DATA / f"{name}.json" for name in PATHS], site), strict=True))


@pytest.mark.parametrize("name", PATHS)
def test_the_records_are_those_of_phoebus(results, name):
    deviations = [result.deviation for result in results[name] if result.deviation]
    assert not deviations, "\n".join(deviations)
    assert len(results[name]) == PATHS[name]


def test_a_file_holds_the_same_records():
    (found,) = replay_all([DATA / "enablement.json"], sqlite_site)
    assert not [result.deviation for result in found if result.deviation]
    assert len(found) == PATHS["enablement"]
