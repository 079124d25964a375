"""Why an alarm is as it is, in words: each cause is named, and what is not known is never called calm."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from tocsin.client.types import (
    Acknowledgement,
    Action,
    Alarm,
    AlarmCounts,
    AlarmDetail,
    AlarmSettings,
    AlarmState,
    Event,
    EventKind,
    Node,
    Origin,
    Repeated,
    Sample,
    Severity,
    State,
    Suppression,
    Text,
    Waiting,
)
from tocsin.explaining import AlarmFacts, ComponentFacts, Past, SettingsSource, explain_alarm, explain_component

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 20, 3, 0, 0, tzinfo=UTC)
PATH = "/Acc/Vacuum/SR01:GC1"


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def sample(severity: str = "OK", message: str = "NO_ALARM", value: str = "1.0", seconds: float = 60) -> Sample:
    return Sample(severity=Severity(severity), message=message, value=value, time=ago(seconds))


def settings(**changed: object) -> AlarmSettings:
    plain = AlarmSettings(
        description="Gauge 1", enabled=True, enabled_at=None, latching=True, annunciating=True, delay_s=0, count=0, filter="",
        guidance=(), displays=(), commands=(), actions=(),
    )  # fmt: skip
    return replace(plain, **changed)


QUIET = AlarmDetail(
    path=PATH, pv="SR01:GC1", system="Vacuum", description="Gauge 1", state=State.OK, known=True, version="Acc.1.1", severity=Severity.OK,
    message="NO_ALARM", value="1.0", time=ago(60), current=sample(), connected=True, since=ago(60), rise=None, acknowledgement=None,
    suppression=None, annunciating=True, settings=settings(), as_of="Acc.1.1", age_s=0.4, stale=False,
)  # fmt: skip


def alarm(severity: str, **changed: object) -> AlarmDetail:
    shown = Severity(severity)
    state = State.ACTIVE if shown.is_active else State.ACKNOWLEDGED if shown.is_acknowledged else State.OK
    base = severity.removesuffix("_ACK")
    raised = {"severity": shown, "state": state, "message": "HIHI_ALARM", "value": "12.0", "current": sample(base, "HIHI_ALARM", "12.0")}
    return replace(QUIET, **{**raised, **changed})


def event(kind: EventKind, before: str, after: str, seconds: float, current: Sample, **changed: object) -> Event:
    state = AlarmState(
        severity=Severity(after), message="HIHI_ALARM", value="12.0", time=ago(seconds), current=current, connected=True,
        since=ago(seconds), rise=None, acknowledgement=None, suppression=None, annunciating=True,
    )  # fmt: skip
    plain = Event(
        id=f"Acc.1.{round(10_000 - seconds)}", time=ago(seconds), kind=kind, path=PATH, pv="SR01:GC1", system="Vacuum",
        from_severity=Severity(before), to_severity=Severity(after), reason="raised", pv_time=ago(seconds), description="",
        annunciated=True, user="", host="", comment="", correlation="", result=None, state=state, origin=Origin.ENGINE,
    )  # fmt: skip
    return replace(plain, **changed)


def explain(found: AlarmDetail, **facts: object):
    return explain_alarm(AlarmFacts(found, **facts), NOW)


def codes(story) -> list[str]:
    return [one.code for one in story.why]


def why(story, code: str) -> str:
    (text,) = [one.text for one in story.why if one.code == code]
    return text


def test_an_alarm_that_is_ok():
    story = explain(QUIET)
    assert story.answer == "SR01:GC1 (Gauge 1) is not in alarm, since 02:59:00, 1 min ago."
    assert [(one.code, one.text) for one in story.why] == [("pv", "The PV says now OK, value 1.0, stamped 02:59:00, 1 min ago.")]
    assert story.next == ("It rises as soon as its PV is in alarm.",)
    assert story.doubt == ""


def test_an_alarm_whose_pv_is_in_alarm():
    story = explain(alarm("MAJOR"))
    assert story.answer.startswith("SR01:GC1 (Gauge 1) is in alarm, and nobody has acknowledged it: MAJOR, since 02:59:00")
    assert codes(story) == ["pv"]
    assert "MAJOR (HIHI_ALARM), value 12.0" in why(story, "pv")
    assert story.next == (f"It goes away when the PV is OK and it is acknowledged, in either order: tocsin ack '{PATH}'.",)


@pytest.mark.parametrize(("now", "said"), [("OK", "though the PV is back to normal"), ("MINOR", "though the PV is only MINOR")])
def test_a_latched_alarm_says_what_raised_it(now, said):
    story = explain(alarm("MAJOR", current=sample(now, "LOW_ALARM", "6.0", 5)))
    assert codes(story) == ["pv", "latched"]
    assert "the PV was MAJOR (HIHI_ALARM) with value 12.0 at 02:59:00" in why(story, "latched")
    assert said in why(story, "latched")
    assert ("as soon as somebody acknowledges it" in story.next[0]) is (now == "OK")


def test_an_alarm_that_does_not_latch_goes_by_itself():
    story = explain(alarm("MAJOR", settings=settings(latching=False)))
    assert story.next == ("It does not latch: it goes away by itself when the PV is OK.",)


def test_a_latch_of_a_disconnect():
    story = explain(alarm("UNDEFINED", message="Disconnected", value="", current=sample()))
    said = "nobody has acknowledged it: UNDEFINED, its PV could not be read at 02:59:00 (latched); now it says OK."
    assert story.answer.endswith(said)
    assert "the PV was not connected at 02:59:00" in why(story, "latched")


def test_what_can_not_be_read_now_is_said_so():
    gone = alarm("UNDEFINED", message="Disconnected", value="", connected=False, current=sample("UNDEFINED", "Disconnected", "", 20))
    assert explain(gone).answer.endswith("UNDEFINED, its PV can not be read, since 02:59:00, 1 min ago.")
    acknowledged = alarm("INVALID_ACK", message="LINK_ALARM", current=sample("MINOR"))
    assert explain(acknowledged).answer.endswith("INVALID, its value must not have been believed at 02:59:00; now it says MINOR.")


def test_a_delay_that_runs_says_when_the_alarm_rises():
    waiting = replace(QUIET, current=sample("MAJOR", "HIHI_ALARM", "12.0", 2), settings=settings(delay_s=10, count=3))
    story = explain(waiting)
    assert "its delay of 10 s is running: the alarm rises at 03:00:08, in 8 s" in why(story, "delayed")
    assert why(story, "delayed").endswith(", or at once with alarm number 3 within 10 s.")
    assert story.next == ("It rises when its PV is in alarm for 10 s, or 3 times within that.",)


def test_a_delay_counts_from_the_first_sample_that_waits():
    major = sample("MAJOR", "HIHI_ALARM", "12.0", 2)
    waits = {"reason": "waits for its delay"}
    events = (
        event(EventKind.CHANGED, "OK", "OK", 2, major, **waits),
        event(EventKind.CHANGED, "OK", "OK", 7, sample("MINOR", "HIGH_ALARM", "6.0", 7), **waits),
        event(EventKind.CHANGED, "OK", "OK", 30, sample()),
        event(EventKind.CHANGED, "OK", "OK", 300, major, **waits),
    )
    story = explain(replace(QUIET, current=major, settings=settings(delay_s=10)), past=Past(events=events))
    assert "the alarm rises at 03:00:03, in 3 s" in why(story, "delayed")
    counting = explain(replace(QUIET, current=major, settings=settings(delay_s=10, count=3)), past=Past(events=events))
    assert "alarm number 3 within 10 s, of which 2 have come" in why(counting, "delayed")


def test_when_a_delay_is_over_is_what_the_engine_says():
    """A takeover begins it anew, and the history may be away."""
    major = sample("MAJOR", "HIHI_ALARM", "12.0", 2)
    waits = Waiting(severity=Severity.MAJOR, message="HIHI_ALARM", value="12.0", time=major.time, due=NOW + timedelta(seconds=5))
    story = explain(replace(QUIET, current=major, settings=settings(delay_s=10), waiting=waits))
    assert "the alarm rises at 03:00:05, in 5 s" in why(story, "delayed")


def test_a_worse_pv_waits_for_its_delay_while_the_alarm_stands():
    story = explain(alarm("MINOR", current=sample("MAJOR", seconds=1), settings=settings(delay_s=30)))
    assert "The PV is MAJOR, and its delay of 30 s is running" in why(story, "delayed")


def test_a_delay_that_is_long_over_is_said():
    story = explain(replace(QUIET, current=sample("MAJOR", seconds=100), settings=settings(delay_s=10)))
    assert "the alarm should have risen" in why(story, "overdue")


def test_an_acknowledged_alarm_says_by_whom_when_and_why():
    ack = Acknowledgement(user="mara", host="console3", reason="pump is being changed", time=ago(30))
    story = explain(alarm("MAJOR_ACK", acknowledgement=ack))
    assert "is in alarm and acknowledged: MAJOR" in story.answer
    assert why(story, "acknowledged") == "Acknowledged by mara on console3 at 02:59:30, 30 s ago: “pump is being changed”."
    assert story.next == ("It goes away by itself when the PV is OK, and rises again if the PV gets worse than MAJOR.",)


def test_an_acknowledged_alarm_whose_pv_is_lower():
    ack = Acknowledgement(user="", host="", reason="", time=ago(30))
    story = explain(alarm("MAJOR_ACK", acknowledgement=ack, current=sample("MINOR")))
    assert "stays MAJOR until the PV is OK" in why(story, "acknowledged_higher")
    assert "name is not known" in why(story, "acknowledged")


def test_an_acknowledgement_that_is_kept_over_a_disconnect():
    ack = Acknowledgement(user="mara", host="", reason="", time=ago(300))
    gone = sample("UNDEFINED", "Disconnected", "", 20)
    story = explain(alarm("UNDEFINED", message="Disconnected", value="7.5", connected=False, current=gone, acknowledgement=ack))
    assert "not connected since 02:59:40, 20 s ago; its last value was 7.5" in why(story, "disconnected")
    assert "holds also for when the PV is back" in why(story, "acknowledged")
    assert "stays until somebody acknowledges it, also when the PV is back" in story.next[0]


def test_a_disconnected_alarm_that_does_not_latch():
    gone = sample("UNDEFINED", "Disconnected", "", 20)
    found = alarm("UNDEFINED", message="Disconnected", connected=False, current=gone, settings=settings(latching=False))
    assert explain(found).next[0] == "It goes away when the PV is back and is OK."


def test_a_shelved_alarm_says_until_when_and_what_it_hides():
    hidden = Suppression(user="ben", host="console1", reason="vented", since=ago(600), until=NOW + timedelta(minutes=20))
    found = alarm("OK", state=State.SHELVED, message="Disabled", suppression=hidden, current=sample("MAJOR"))
    story = explain(found)
    assert story.answer == "SR01:GC1 (Gauge 1) is shelved: it is hidden, and raises no alarm."
    said = "Shelved until 03:20:00, in 20 min, by ben on console1 at 02:50:00, 10 min ago: “vented”."
    assert why(story, "shelved") == said
    assert codes(story) == ["shelved", "pv"], "why the hidden alarm is not what its PV says needs no second reason"
    assert story.next == (
        f"It comes back by itself at 03:20:00, in 20 min; before that by: tocsin unshelve '{PATH}'.",
        "It would then be in alarm: its PV is MAJOR now, also while nobody sees it.",
    )


def test_an_alarm_out_of_service():
    hidden = Suppression(user="", host="", reason="", since=ago(600), until=None)
    story = explain(alarm("OK", state=State.DISABLED, suppression=hidden, current=sample()))
    assert "Taken out of service by the tree itself, or somebody whose name is not known" in why(story, "out_of_service")
    assert story.next == (f"It comes back when somebody puts it into service again: tocsin enable '{PATH}'.",)


@pytest.mark.parametrize(
    ("current", "enabled", "code", "said"),
    [
        (None, True, "unknown", "No engine has said anything about it yet"),
        (sample(), True, "never_connected", "Its PV has never answered"),
        (None, False, "unknown", "switched off in the tree"),
    ],
)
def test_what_is_not_known_is_not_called_calm(current, enabled, code, said):
    chosen = settings(enabled=enabled)
    story = explain(replace(QUIET, state=State.UNKNOWN, known=False, connected=False, current=current, since=None, settings=chosen))
    assert "Nobody knows whether" in story.answer
    assert "not the same as OK" in story.answer
    assert said in why(story, code)
    assert codes(story) == [code]


def test_a_name_that_can_not_be_a_pv():
    found = alarm("UNDEFINED", message="No PV", connected=False, current=sample("UNDEFINED", "No PV", ""))
    assert codes(explain(found)) == ["no_pv"]


def test_a_value_that_may_not_be_read():
    found = alarm("INVALID", message="READ_ACCESS_ALARM", current=sample("INVALID", "READ_ACCESS_ALARM", ""))
    assert "access rules of the IOC" in why(explain(found), "no_access")


def test_maintenance_mode_and_a_filter_are_said():
    story = explain(replace(QUIET, settings=settings(filter="Beam > 1")), maintenance=True)
    assert codes(story) == ["pv", "maintenance", "filter"]
    assert "does not evaluate them: it is in service always" in why(story, "filter")


def test_a_quiet_alarm_in_maintenance_mode_is_explained():
    assert codes(explain(replace(QUIET, current=sample("INVALID")), maintenance=True)) == ["pv", "maintenance_quiet", "maintenance"]


@pytest.mark.parametrize(("age_s", "said"), [(65.0, "There was no life sign of the engine for 1 min"), (None, "has given no life sign")])
def test_an_old_answer_says_first_that_it_can_not_be_trusted(age_s, said):
    story = explain(replace(QUIET, stale=True, age_s=age_s))
    assert said in story.doubt
    assert "it can not be trusted" in story.doubt


def test_times_are_in_the_zone_of_now_and_other_days_have_a_date():
    there = NOW.astimezone(timezone(timedelta(hours=-5)))
    story = explain_alarm(AlarmFacts(replace(QUIET, since=ago(6 * 3600))), there)
    assert "since 2026-11-19 16:00:00, 6 h ago" not in story.answer, "it is the same day there"
    assert "since 16:00:00, 6 h ago" in story.answer
    assert "since 2026-11-19 21:00:00, 6 h ago" in explain(replace(QUIET, since=ago(6 * 3600))).answer


def test_settings_say_where_they_come_from():
    chosen = settings(
        delay_s=10, count=2, latching=False, annunciating=False, filter="X > 1", actions=(Action(title="", details="mailto:a", delay_s=0),)
    )
    source = SettingsSource(place="tree.yaml:12", commit="0123456789abcdef", edited=("delay",))
    found = {one.name: (one.value, one.source) for one in explain(replace(QUIET, settings=chosen), source=source).settings}
    assert found["latching"] == ("no", "tree.yaml:12, commit 0123456789")
    assert found["delay"] == ("10 s", "edited by another client since the files were brought into force")
    assert "not evaluated by this version" in found["filter"][0]
    assert "not carried out by this version" in found["actions"][0]
    assert list(found) == ["latching", "delay", "count", "filter", "annunciating", "actions"]
    assert explain(QUIET).settings[0].source == "by default, or as the tree says"
    assert explain(replace(QUIET, settings=settings(count=3))).settings[1].value == "3, without effect: it works with a delay only"


def test_what_happened_is_told_newest_first_with_values_and_people():
    events = (
        event(EventKind.ACKNOWLEDGED, "MAJOR", "MAJOR_ACK", 10, sample("MAJOR", value="12.0"), user="mara", host="c3", comment="pump"),
        event(EventKind.ALARM, "OK", "MAJOR", 60, sample("MAJOR", value="12.0")),
    )
    told = explain(alarm("MAJOR_ACK"), past=Past(events=events)).transitions
    assert [one.what for one in told] == ["acknowledged by mara on c3: “pump”", "OK → MAJOR, PV MAJOR with value 12.0; raised"]


def test_what_closes_a_command_is_nothing_that_happened_to_the_alarm():
    closing = {"state": None, "user": "mara", "reason": ""}
    events = (
        event(EventKind.COMMAND, "OK", "OK", 10, sample(), **closing),
        event(EventKind.UNSHELVED, "OK", "MINOR", 10, sample("MINOR"), user="mara", comment="works are over"),
        event(EventKind.COMMAND, "OK", "OK", 20, sample(), **closing),
        event(EventKind.SHELVED, "MINOR", "OK", 20, sample(), user="mara", comment="vented"),
        event(EventKind.REFUSED, "OK", "OK", 30, sample(), **closing | {"reason": "there is no such alarm"}),
        event(EventKind.ENABLED, "OK", "OK", 40, sample(), user="mara", comment="back"),
    )
    told = explain(alarm("MINOR"), past=Past(events=events)).transitions
    assert [one.what for one in told] == [
        "unshelved by mara: “works are over”; in alarm: MINOR",
        "shelved by mara: “vented”",
        "a command of mara was refused: there is no such alarm",
        "put back into service by mara: “back”",
    ]


@pytest.mark.parametrize(
    ("past", "said"),
    [
        (Past(rises_day=1, rises_week=2), "It rose once in the last 24 hours, twice in the last 7 days."),
        (Past(rises_week=3), "It did not rise in the last 24 hours, and 3 times in the last 7 days."),
        (Past(), "It did not rise in the last 7 days."),
        (Past(rises_day=11, rises_week=11), "That is often."),
        (Past(rises_day=9, rises_week=9, chattering=Repeated(path=PATH, number=7, first=ago(900), last=ago(60))), "It chatters: 7 times"),
        (
            Past(rises_day=9, rises_week=9, fleeting=Repeated(path=PATH, number=2, first=ago(900), last=ago(60))),
            "It was over within seconds twice",
        ),
        (Past(problem="the store is away"), "The history can not be asked: the store is away"),
    ],
)
def test_how_often_it_comes(past, said):
    story = explain(QUIET, past=past)
    assert said in " ".join(story.often)
    assert ("tocsin tune" in " ".join(story.often)) is bool(past.chattering or past.fleeting or past.rises_day > 10)


def test_guidance_says_for_what_it_was_written():
    own = Text(title="", details="Look at the pump.\nThen call.", html="", source=PATH)
    above = Text(title="On call", details="4420", html="", source="/Acc/Vacuum")
    display = Text(title="Gauges", details="gauges.bob", html="", source=PATH)
    story = explain(replace(QUIET, settings=settings(guidance=(own, above), displays=(display,))))
    assert story.guidance == (
        "Look at the pump.", "  Then call.", "On call (of /Acc/Vacuum)", "  4420", "Display: Gauges – gauges.bob",
    )  # fmt: skip


def test_the_page_lists_every_cause():
    listed = set(re.findall(r"^\| `(\w+)` \|", (ROOT / "docs/how-to/explain-an-alarm.md").read_text("utf-8"), re.MULTILINE))
    code = "".join(file.read_text("utf-8") for file in (ROOT / "tocsin/explaining").glob("*.py"))
    assert listed == set(re.findall(r'Reason\(\s*"(\w+)"', code))


# ---------------------------------------------------------------------------------------------------------------- components


def row(name: str, severity: str, **changed: object) -> Alarm:
    found = alarm(severity, path=f"/Acc/Vacuum/{name}", pv=name, description="")
    fields = {field: getattr(found, field) for field in Alarm.__dataclass_fields__}
    return Alarm(**{**fields, **changed})


def component(severity: str, *alarms: Alarm, hidden=(), unknown=(), **changed: object) -> ComponentFacts:
    number = len(alarms) + len(hidden) + len(unknown) + 5
    counts = AlarmCounts(
        total=number, severities={}, active=sum(one.severity.is_active for one in alarms),
        acknowledged=sum(one.severity.is_acknowledged for one in alarms), shelved=len(hidden), disabled=0, unknown=len(unknown),
        disconnected=0,
    )  # fmt: skip
    node = Node(path="/Acc/Vacuum", name="Vacuum", severity=Severity(severity), alarms=number, counts=counts, nodes=(), leaves=None)
    plain = ComponentFacts(node, tuple(alarms), tuple(hidden), tuple(unknown), stale=False, age_s=0.5)
    return replace(plain, **changed)


def test_a_component_names_the_alarms_that_make_its_severity():
    story = explain_component(component("MINOR", row("A", "MINOR"), row("B", "MINOR"), row("C", "MAJOR_ACK")), NOW)
    assert story.answer == "/Acc/Vacuum is in alarm: MINOR."
    causes = why(story, "causes")
    assert "2 alarms have it:" in causes
    assert "\n  A: HIHI_ALARM, value 12.0, since 02:59:00, 1 min ago\n  B: " in causes
    assert "  C" not in causes
    assert why(story, "others") == "One alarm of lower rank stands below it too: 1 MAJOR_ACK."
    assert "counts more than a worse one that somebody has" in why(story, "rank")


def test_a_component_in_which_all_is_acknowledged():
    story = explain_component(component("MAJOR_ACK", row("A", "MAJOR_ACK")), NOW)
    assert story.answer == "/Acc/Vacuum is in alarm, and all of it is acknowledged: MAJOR."
    assert codes(story) == ["causes"]


def test_a_component_that_is_ok_does_not_hide_what_is_hidden_or_not_known():
    shelved = row("S", "OK", suppression=Suppression(user="ben", host="", reason="", since=ago(9), until=ago(-9)), current=sample("MAJOR"))
    lost = row("U", "OK", state=State.UNKNOWN, known=False)
    story = explain_component(component("OK", hidden=[shelved], unknown=[lost]), NOW)
    assert story.answer == "/Acc/Vacuum shows OK, but of 1 of its 7 alarms nothing is known."
    assert why(story, "hidden") == "One alarm below it is hidden and does not count:\n  S: shelved by ben; its PV is MAJOR now"
    assert "not the same as OK: U." in why(story, "unknown")
    assert explain_component(component("OK"), NOW).answer == "/Acc/Vacuum shows OK: none of its 5 alarms is in alarm."


def test_a_long_list_is_cut_and_says_so():
    story = explain_component(component("MAJOR", *[row(f"A{n}", "MAJOR") for n in range(25)]), NOW)
    assert "and 15 more" in why(story, "causes")


def test_an_old_component_says_so_first():
    assert "can not be trusted" in explain_component(component("OK", stale=True, age_s=None), NOW).doubt


def test_a_component_without_alarms():
    empty = component("OK")
    node = replace(empty.node, alarms=0)
    assert explain_component(replace(empty, node=node), NOW).answer == "/Acc/Vacuum has no alarms below it."
