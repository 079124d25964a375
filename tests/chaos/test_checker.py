"""The checker finds what it is there for: logs made by hand, each with one fault."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import count

import orjson
import pytest

from tests.chaos.checker import check
from tests.chaos.evidence import Blind, Evidence, Leaf, Message, Seen, Sent, Transition
from tests.chaos.gaps import Mark, gaps, table
from tests.chaos.ioc import read_truth

C = "Plant"
S = 1_000_000_000
LEAVES = {"P1": Leaf(f"/{C}/V/P1"), "P2": Leaf(f"/{C}/V/P2", latching=False), "D1": Leaf(f"/{C}/V/D1", delay_s=2)}


class Log:
    """A log that is without fault until a test spoils it."""

    def __init__(self) -> None:
        self.truth: list[Transition] = []
        self.committed: list[Seen] = []
        self.sent: list[Sent] = []
        self.stream: list[Message] = []
        self.epoch = 1
        self._numbers = count(1)
        self._offsets = count()

    def succeed(self) -> None:
        self.epoch += 1
        self._numbers = count(1)
        self.event("engine", f"/{C}", 0)

    def was(self, pv: str, severity: str, time: int, **more) -> None:
        """The record became that."""
        self.truth.append(Transition(pv, severity, time, time * S, **more))

    def event(self, kind: str, path: str, time: int, severity: tuple[str, str] = ("OK", "OK"), current: str = "", **more) -> dict:
        """An event; `current` as `MAJOR 5`: severity, and when the PV became so."""
        data = {"v": 1, "id": f"{C}.{self.epoch}.{next(self._numbers)}", "time": time * S, "kind": kind, "path": path}
        data |= {"from": severity[0], "to": severity[1]}
        if current:
            what, when = current.split()
            data["pv_time"] = int(when) * S
            data["state"] = {
                "alarm": [severity[1], "m", when, int(when) * S],
                "current": [what, "m", when, int(when) * S],
                "since": time * S,
            }
        data |= more
        self.record("Events", f"event:{path}", data, time)
        if current:
            header = orjson.dumps([data["id"], None, 0, True, "", 0])
            self.record("", f"state:{path}", {"severity": severity[1], "current_severity": current.split(maxsplit=1)[0]}, time, header)
        if data.get("annunciated"):
            self.record("Talk", f"talk:{path}", {"severity": severity[1], "talk": "x"}, time)
        return data

    def record(self, suffix: str, key: str, data: dict | None, time: int, state: bytes = b"") -> None:
        headers = {"tocsin-state": state} if state else {}
        value = orjson.dumps(data) if data is not None else None
        self.committed.append(Seen(C + suffix, next(self._offsets), key, value, time * S, time * S, headers))

    def rise(self, pv: str, severity: str, time: int, before: str = "OK") -> dict:
        self.was(pv, severity, time)
        return self.event("alarm", LEAVES[pv].path, time, (before, severity), f"{severity} {time}", annunciated=True)

    def change(self, position: int, **fields) -> None:
        """Spoil a record that was written."""
        seen = self.committed[position]
        self.committed[position] = replace(seen, value=orjson.dumps(orjson.loads(seen.value or b"{}") | fields))

    def rules(self, **more) -> list[str]:
        evidence = Evidence(C, LEAVES, self.truth, self.committed, sent=self.sent, stream=self.stream, **more)
        return sorted({violation.rule for violation in check(evidence)})


@pytest.fixture
def log():
    """Two reigns: an alarm rises in the first, is acknowledged, and another rises in the second."""
    log = Log()
    log.event("engine", f"/{C}", 1)
    log.rise("P1", "MAJOR", 2)
    log.sent.append(Sent("c1", "acknowledge", LEAVES["P1"].path, "mara", 3 * S, confirmed=1))
    ack = {"user": "mara", "time": 3 * S}
    acked = log.event("acknowledged", LEAVES["P1"].path, 3, ("MAJOR", "MAJOR_ACK"), "MAJOR 2", correlation="c1", user="mara")
    log.change(-2, state=acked["state"] | {"ack": ack})
    log.event("command", LEAVES["P1"].path, 3, correlation="c1")
    log.epoch, log._numbers = 2, count(1)
    log.event("engine", f"/{C}", 5)
    log.rise("P2", "MINOR", 6)
    return log


def test_a_log_without_fault(log):
    assert log.rules() == []


def test_a_transition_that_is_in_no_event_is_lost(log):
    log.was("P2", "OK", 7)
    log.was("P2", "MAJOR", 8)
    log.event("alarm", LEAVES["P2"].path, 9, ("MINOR", "MAJOR"), "MAJOR 8")
    assert log.rules() == ["lost"]
    assert log.rules(blind=[Blind(frozenset({"P2"}), 7 * S, 7 * S)]) == []
    assert log.rules(blind=[Blind(frozenset({"P1"}), 7 * S, 7 * S)]) == ["lost"]


def test_what_may_never_have_happened_is_not_missed_and_may_be_there(log):
    log.truth.append(Transition("P2", "MAJOR", 8, 0, sure=False))
    assert log.rules() == []
    log.event("alarm", LEAVES["P2"].path, 9, ("MINOR", "MAJOR"), "MAJOR 8")
    assert log.rules() == []


def test_an_event_of_what_a_record_never_was_is_invented(log):
    log.event("cleared", LEAVES["P2"].path, 9, ("MINOR", "OK"), "OK 8")
    assert "invented" in log.rules()


def test_the_same_event_twice_is_doubled(log):
    log.committed.append(replace(log.committed[1], offset=99))
    assert "doubled" in log.rules()


def test_the_same_rise_spoken_by_two_reigns_is_doubled(log):
    log.event("alarm", LEAVES["P2"].path, 7, ("MINOR", "MINOR"), "MINOR 6", annunciated=True)
    assert log.rules() == ["doubled"]


def test_what_stands_when_its_shelf_ends_may_be_spoken_again(log):
    log.event("shelved", LEAVES["P2"].path, 7, ("MINOR", "OK"), "MINOR 6")
    log.change(-2, state=orjson.loads(log.committed[-2].value)["state"] | {"suppression": {"user": "sam"}})
    log.event("unshelved", LEAVES["P2"].path, 8, ("OK", "MINOR"), "MINOR 6", annunciated=True)
    assert log.rules() == []


def test_a_sample_that_was_published_before_is_doubled(log):
    log.was("P2", "OK", 7)
    log.event("cleared", LEAVES["P2"].path, 7, ("MINOR", "OK"), "OK 7")
    log.event("alarm", LEAVES["P2"].path, 8, ("OK", "MINOR"), "MINOR 6")
    log.event("cleared", LEAVES["P2"].path, 8, ("MINOR", "OK"), "OK 7")
    assert log.rules() == ["doubled"]


def test_a_predecessor_that_writes_after_its_successor_is_a_split_brain(log):
    log.epoch, log._numbers = 1, count(5)
    log.was("P1", "OK", 7)
    log.event("cleared", LEAVES["P1"].path, 7, ("MAJOR_ACK", "OK"), "OK 7")
    assert log.rules() == ["split brain"]


def test_an_old_state_record_after_a_newer_one_is_a_split_brain(log):
    header = orjson.dumps([f"{C}.1.2", None, 0, True, "", 0])
    log.record("", f"state:{LEAVES['P1'].path}", {"severity": "MAJOR_ACK", "current_severity": "MAJOR"}, 8, header)
    assert log.rules() == ["split brain"]


def test_a_number_that_is_left_out(log):
    log.change(0, id=f"{C}.1.0")
    assert log.rules() == ["numbers"]


def test_a_reign_that_does_not_begin_at_its_beginning(log):
    log.epoch, log._numbers = 3, count(2)
    log.event("engine", f"/{C}", 9)
    assert log.rules() == ["numbers"]


def test_time_that_runs_back(log):
    log.event("command", f"/{C}", 4, correlation="")
    assert log.rules() == ["time"]


def test_a_latch_that_is_gone_after_a_takeover(log):
    log.was("P1", "INVALID", 7)
    log.event("alarm", LEAVES["P1"].path, 7, ("OK", "INVALID"), "INVALID 7")
    assert log.rules() == ["jump"]


def test_an_alarm_that_is_quieter_than_its_pv(log):
    log.was("P2", "MAJOR", 7)
    log.event("changed", LEAVES["P2"].path, 7, ("MINOR", "MINOR"), "MAJOR 7")
    assert log.rules() == ["quiet"]


def test_a_delay_that_never_comes_to_its_end(log):
    log.was("D1", "MAJOR", 10)
    log.event("changed", LEAVES["D1"].path, 10, ("OK", "OK"), "MAJOR 10")
    log.was("D1", "OK", 14)
    log.event("changed", LEAVES["D1"].path, 14, ("OK", "OK"), "OK 14")
    assert log.rules() == ["delay"]


@pytest.mark.parametrize("ack", [None, {"user": "sam", "time": 3 * S}, {"user": "mara", "time": 4 * S}])
def test_an_acknowledgement_that_is_lost_or_becomes_another(log, ack):
    event = log.event("changed", LEAVES["P1"].path, 7, ("MAJOR_ACK", "MAJOR_ACK"), "MAJOR 2")
    log.change(-2, state=event["state"] | ({"ack": ack} if ack else {}))
    assert log.rules() == ["acknowledgement"]


def test_an_acknowledgement_of_somebody_else_than_who_gave_it(log):
    log.sent[0] = replace(log.sent[0], user="sam")
    assert log.rules() == ["acknowledgement"]


def test_a_command_that_nobody_answers(log):
    log.sent.append(Sent("c2", "shelve", LEAVES["P2"].path, "sam", 7 * S, confirmed=1))
    assert log.rules() == ["command"]
    assert log.rules(calm=False) == []


def test_a_command_that_the_broker_never_had_needs_no_answer(log):
    log.sent.append(Sent("c2", "shelve", LEAVES["P2"].path, "sam", 7 * S, confirmed=0))
    assert log.rules() == []


def test_a_refusal_is_an_answer_but_not_beside_an_effect(log):
    log.sent.append(Sent("c2", "shelve", LEAVES["P2"].path, "sam", 7 * S, confirmed=1))
    log.event("refused", LEAVES["P2"].path, 8, correlation="c2")
    assert log.rules() == []
    log.event("shelved", LEAVES["P2"].path, 9, ("MINOR", "MINOR"), "MINOR 6", correlation="c2")
    assert log.rules() == ["command"]


def test_a_retry_is_answered_again_and_acts_once(log):
    log.sent[0] = replace(log.sent[0], sent=2, confirmed=2)
    log.event("command", LEAVES["P1"].path, 8, correlation="c1")
    assert log.rules() == []
    log.event("command", LEAVES["P1"].path, 9, correlation="c1")
    assert log.rules() == ["command"]


def test_a_command_that_acts_twice(log):
    event = log.event("acknowledged", LEAVES["P1"].path, 8, ("MAJOR_ACK", "MAJOR_ACK"), "MAJOR 2", correlation="c1", user="mara")
    log.change(-2, state=event["state"] | {"ack": {"user": "mara", "time": 8 * S}})
    assert log.rules() == ["command"]


def test_an_annunciation_that_nobody_speaks(log):
    log.committed = [seen for seen in log.committed if seen.topic != f"{C}Talk"]
    assert log.rules() == ["talk"]
    log.record("Talk", f"talk:/{C}", {"severity": "MAJOR", "talk": " 1 alarm while nobody could be told, the worst MAJOR"}, 9)
    assert log.rules() == ["talk"]
    log.record("Talk", f"talk:/{C}", {"severity": "MAJOR", "talk": " 12 alarms: PV disconnected"}, 9)
    assert log.rules() == []


def test_a_state_that_was_aborted_is_to_be_published_again(log):
    aborted = Seen(C, 50, f"state:{LEAVES['P2'].path}", b"{}", 7 * S, 7 * S)
    uncommitted = [*log.committed, aborted]
    assert log.rules(uncommitted=uncommitted) == ["aborted"]
    header = orjson.dumps([f"{C}.2.2", None, 0, True, "", 0])
    value = orjson.dumps({"severity": "MINOR", "current_severity": "MINOR"})
    log.committed.append(replace(aborted, offset=51, value=value, headers={"tocsin-state": header}))
    assert log.rules(uncommitted=uncommitted) == []


def test_a_state_record_that_says_another_thing_than_the_last_event(log):
    log.change(-2, severity="OK")
    assert log.rules() == ["state"]


def test_an_alarm_that_does_not_know_its_pv_in_the_end(log):
    log.was("P2", "OK", 9)
    assert log.rules(blind=[Blind(frozenset({"P2"}), 9 * S, 9 * S)]) == ["truth"]


def stream(log, *numbers):
    return [Message("event", orjson.loads(log.committed[n].value)["id"], {}, 9 * S) for n in numbers]


def test_a_client_of_the_stream(log):
    positions = [n for n, seen in enumerate(log.committed) if seen.topic == f"{C}Events"]
    log.stream = stream(log, *positions[1:])
    assert log.rules() == []
    log.stream = stream(log, *positions[1:3], *positions[4:])
    assert log.rules() == ["stream"]
    log.stream = stream(log, *positions[1:3], *positions[2:])
    assert log.rules() == ["stream"]
    log.stream = [*stream(log, *positions[1:3]), Message("reset", "", {}, 9 * S), *stream(log, *positions[4:])]
    assert log.rules() == []
    log.stream = [Message("event", f"{C}.9.9", {}, 9 * S)]
    assert log.rules() == ["stream"]


def test_silence_that_does_not_look_stale(log):
    log.record("Status", f"status:{C}", {}, 10)
    log.stream = [Message("status", "", {"stale": False}, 12 * S), Message("status", "", {"stale": True}, 30 * S)]
    assert log.rules() == []
    log.stream.append(Message("status", "", {"stale": False}, 31 * S))
    assert log.rules() == ["all quiet"]


def test_what_an_ioc_wrote_down():
    text = "P1 OK 0 5\nP1 MAJOR 7 ?\nP1 MAJOR 7 9\nP2 OK 8 ?\nP1 OK 9 ?\nP1 OK 9 12\nP1 MAJ"
    assert read_truth(text) == [
        Transition("P1", "OK", 0, 5),
        Transition("P1", "MAJOR", 7, 9),
        Transition("P2", "OK", 8, 0, sure=False),
        Transition("P1", "OK", 9, 12),
    ]


def test_gaps(log):
    found = gaps(Evidence(C, LEAVES, log.truth, log.committed), [Mark("SIGKILL", 4 * S, 5 * S), Mark("sync", 7 * S, 7 * S)], 8 * S)
    assert [(gap.fault, gap.first_state_s, gap.silence_s) for gap in found] == [("SIGKILL", 2.0, 1.0), ("sync", None, 1.0)]
    assert re.search(r"SIGKILL +1 +1 +2\.00 +2\.00 +1\.00 +1\.00", table(found))
