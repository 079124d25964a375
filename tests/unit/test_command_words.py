"""What is said of commands, and which alarms they are for."""

from __future__ import annotations

from datetime import datetime

from tests.unit.live_alarms import alarm, shelved
from tocsin.cli.command_words import WORDS, Failed, Kind, Tone, few, report
from tocsin.client.types import CommandResult, Outcome


def result(path="/Ring/Vacuum/GC1", outcome="done", count=1, **more):
    fields = {"id": "1", "command": "acknowledge", "user": "mara", "reason": "", **more}
    return CommandResult(outcome=Outcome(outcome), path=path, count=count, **fields)


def said(*answers, kind=Kind.ACKNOWLEDGE):
    return [(one.tone, one.text) for one in report(kind, answers)]


def test_done():
    assert said(result()) == [(Tone.DONE, "Done: /Ring/Vacuum/GC1 acknowledged.")]
    assert said(result("/Ring", count=12)) == [(Tone.DONE, "Done: /Ring acknowledged (12 alarms).")]
    assert said(result("/a/b/1"), result("/a/b/2"), kind=Kind.SHELVE) == [(Tone.DONE, "Done: 2 of 2 shelved.")]


def test_until_when_it_is_shelved():
    end = datetime(2026, 12, 1, 7, 0, 0).astimezone()
    (told,) = report(Kind.SHELVE, [result()], end)
    assert told.text == "Done: /Ring/Vacuum/GC1 shelved until 2026-12-01 07:00."
    (told,) = report(Kind.SHELVE, [result("/Ring", count=3)], end)
    assert told.text == "Done: /Ring shelved until 2026-12-01 07:00 (3 alarms)."


def test_what_was_left_alone_and_what_was_nothing_to_do():
    assert said(result("/Ring", count=2, left_alone=("/Ring/a", "/Ring/b"))) == [
        (Tone.DONE, "Done: /Ring acknowledged (2 alarms)."),
        (Tone.REFUSED, "Left alone, because they rose after what you had seen: /Ring/a, /Ring/b. Look again, then repeat."),
    ]
    assert said(result(count=0)) == [(Tone.DONE, "Nothing to do: no unacknowledged alarm: /Ring/Vacuum/GC1.")]
    assert [tone for tone, _ in said(result(count=0, left_alone=("/Ring/Vacuum/GC1",)))] == [Tone.REFUSED]


def test_refused_and_not_confirmed_in_the_words_of_the_server_and_each_once():
    found = said(
        result("/a/b/1", "refused", reason="it is too old"),
        result("/a/b/2", "refused", reason="it is too old"),
        result("/a/b/3", "not_confirmed", reason="no answer of the engine"),
        Failed("/a/b/4", "there is no alarm /a/b/4"),
    )
    assert found == [
        (Tone.REFUSED, "Refused: Acknowledge /a/b/1, /a/b/2. It is too old."),
        (
            Tone.NOT_CONFIRMED,
            "NOT CONFIRMED: Acknowledge /a/b/3. No answer of the engine. Look at the alarms: it may or may not have been carried out.",
        ),
        (Tone.REFUSED, "Refused: Acknowledge /a/b/4. There is no alarm /a/b/4."),
    ]


def test_many_are_counted():
    assert few([str(n) for n in range(8)]) == "0, 1, 2, 3, 4 and 3 more"


def test_for_whom_a_command_makes_sense():
    active, acknowledged = alarm(), alarm(severity="MAJOR_ACK")
    hidden, out = alarm(severity="OK", suppression=shelved()), alarm(severity="OK", suppression=shelved(until=None))
    fitting = {kind: [words.fits(one) for one in (active, acknowledged, hidden, out)] for kind, words in WORDS.items()}
    assert fitting == {
        Kind.ACKNOWLEDGE: [True, False, False, False],
        Kind.UNACKNOWLEDGE: [False, True, False, False],
        Kind.SHELVE: [True, True, False, False],
        Kind.DISABLE: [True, True, False, False],
        Kind.UNSHELVE: [False, False, True, False],
        Kind.ENABLE: [False, False, False, True],
    }
