"""Lines of history: what stands in place of a severity."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.live_alarms import shelved
from tests.unit.test_explaining import event, sample
from tocsin.cli.event_lines import spoken, tabbed
from tocsin.cli.look_events import _line
from tocsin.cli.printing import at_prompt, badge, hidden_word
from tocsin.client.types import EventKind


@pytest.mark.parametrize(("kind", "hidden", "word"), [("shelved", shelved(), "SHELVED"), ("disabled", shelved(until=None), "DISABLED")])
def test_an_alarm_out_of_service_is_not_called_shelved(kind, hidden, word):
    happened = event(EventKind(kind), "MINOR", "OK", 10, sample())
    line = _line(replace(happened, state=replace(happened.state, suppression=hidden)), "12:00")
    assert tabbed(line).split("\t")[2] == word
    assert word in spoken(line).plain.split()


def test_both_ways_of_being_hidden_have_one_colour_and_words_of_their_own():
    for_a_time, for_good = (badge(hidden_word(for_good=good)) for good in (False, True))
    assert (for_a_time.plain, for_good.plain) == ("SHELVED", "DISABLED")
    assert for_a_time.style == for_good.style != badge("MAJOR").style


def test_what_a_client_names_by_its_arguments_is_an_option_here():
    assert at_prompt("Is the backend running? url= or TOCSIN_URL name another") == (
        "Is the backend running? --url or TOCSIN_URL name another"
    )
