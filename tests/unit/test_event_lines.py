"""Lines of history: what stands in place of a severity."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.live_alarms import shelved
from tests.unit.test_explaining import event, sample
from tocsin.cli.event_lines import spoken, tabbed
from tocsin.cli.look_events import _line
from tocsin.client.types import EventKind


@pytest.mark.parametrize(("kind", "hidden", "word"), [("shelved", shelved(), "SHELVED"), ("disabled", shelved(until=None), "DISABLED")])
def test_an_alarm_out_of_service_is_not_called_shelved(kind, hidden, word):
    happened = event(EventKind(kind), "MINOR", "OK", 10, sample())
    line = _line(replace(happened, state=replace(happened.state, suppression=hidden)), "12:00")
    assert tabbed(line).split("\t")[2] == word
    assert word in spoken(line).plain.split()
