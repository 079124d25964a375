"""Channel Access against real IOCs: connections, alarms with the texts of Phoebus, and what must never be lost."""

from __future__ import annotations

import ctypes
import itertools
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence

import pytest

from alarm_engine.errors import SourceError
from alarm_engine.model.reading import Connection, Failure, Input, Reading
from alarm_engine.model.severity import Severity
from alarm_engine.sources.ca import CaSettings, CaSource
from alarm_engine.sources.ca_threads import wait_for_threads
from alarm_engine.sources.port import Subscription
from tests.ioc import Ioc, port_pool, random_prefix, start_ioc

pytestmark = pytest.mark.system

DB = """
record(ao, "$(P)AI") {
  field(LOLO, -20) field(LLSV, MAJOR) field(LOW, -10) field(LSV, MINOR)
  field(HIGH, 5) field(HSV, MINOR) field(HIHI, 8) field(HHSV, MAJOR) field(PINI, YES)
}
record(bi, "$(P)BI") { field(ZNAM, "Open") field(ONAM, "Closed") field(OSV, MAJOR) field(PINI, YES) }
record(mbbi, "$(P)MBBI") {
  field(ZRVL, 0) field(ZRST, "Idle") field(ONVL, 1) field(ONST, "Run") field(TWVL, 2) field(TWST, "Fault") field(TWSV, MAJOR)
  field(PINI, YES)
}
record(longin, "$(P)LONG") { field(HIGH, 100) field(HSV, MINOR) field(PINI, YES) }
record(stringin, "$(P)TEXT") { field(VAL, "Beam off") field(PINI, YES) }
record(waveform, "$(P)WAVE") { field(FTVL, DOUBLE) field(NELM, 3) }
record(waveform, "$(P)FLOATS") { field(FTVL, FLOAT) field(NELM, 4) }
record(lsi, "$(P)LONGTEXT") { field(SIZV, 200) field(PINI, YES) }
record(calc, "$(P)CALC") { field(INPA, "$(P)AI CP MS") field(CALC, "A*2") }
record(ao, "$(P)NEVER") { }
"""
WAIT_S = 10.0
RECONNECT_S = 25.0
"""libca looks again for what it lost every 10 s."""


class Watching:
    """A source, what it has delivered, and waiting for more."""

    def __init__(self, sink: Callable[[Sequence[Input]], None] | None = None) -> None:
        self.inputs: list[Input] = []
        self._came = threading.Condition()
        self._sink = sink
        self.source = CaSource()
        self.source.start(self._take)

    def _take(self, inputs: Sequence[Input]) -> None:
        if self._sink is not None:
            self._sink(inputs)
        with self._came:
            self.inputs.extend(inputs)
            self._came.notify_all()

    def subscribe(self, *pvs: str, values: bool = False) -> None:
        self.source.subscribe(Subscription(pv, values) for pv in pvs)

    def until(self, condition: Callable[[], object], timeout_s: float = WAIT_S) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline:
                pytest.fail(f"waited {timeout_s} s in vain; the last inputs are {self.inputs[-10:]}")
            with self._came:
                self._came.wait(0.02)

    def readings(self, pv: str) -> list[Reading]:
        return [item for item in self.inputs if isinstance(item, Reading) and item.pv == pv]

    def texts(self, pv: str) -> list[tuple[str, str, str]]:
        return [(reading.severity.name, reading.message, reading.value) for reading in self.readings(pv)]

    def connections(self, pv: str) -> list[bool]:
        return [item.up for item in self.inputs if isinstance(item, Connection) and item.pv == pv]

    def until_reading(self, pv: str, severity: str, message: str, value: str, timeout_s: float = WAIT_S) -> None:
        self.until(lambda: (severity, message, value) in self.texts(pv)[-1:], timeout_s)


@pytest.fixture
def watching() -> Iterator[Watching]:
    started = Watching()
    yield started
    started.source.close()


@pytest.fixture(scope="module")
def shared_ioc() -> Iterator[Ioc]:
    with start_ioc(DB) as running:
        yield running


@pytest.fixture
def ioc(shared_ioc: Ioc) -> Ioc:
    """An IOC for tests that do not stop it, as it was in the beginning."""
    for name in ("AI", "BI", "MBBI", "LONG"):
        shared_ioc.put(shared_ioc.prefix + name, 0)
    shared_ioc.put(shared_ioc.prefix + "MBBI.TWST", "Fault")
    return shared_ioc


def test_a_connection_comes_before_the_first_reading(watching, ioc):
    pv = ioc.prefix + "AI"
    watching.subscribe(pv)
    watching.until(lambda: watching.readings(pv))
    first, second = watching.inputs
    assert isinstance(first, Connection)
    assert (first.pv, first.up, first.server.rpartition(":")[2]) == (pv, True, str(ioc.port))
    assert abs(first.wall - time.time_ns()) < 10e9
    assert isinstance(second, Reading)
    assert second[:4] == (pv, Severity.OK, "NO_ALARM", "0.0")
    assert abs(second.pv_time - time.time_ns()) < 30e9
    assert first.arrival <= second.arrival <= time.monotonic_ns()
    assert (watching.source.status().total, watching.source.status().connected) == (1, 1)


@pytest.mark.parametrize(
    ("record", "value", "expected"),
    [
        ("AI", "6", ("MINOR", "HIGH_ALARM", "6.0")),
        ("AI", "9.25", ("MAJOR", "HIHI_ALARM", "9.25")),
        ("AI", "12345678.9", ("MAJOR", "HIHI_ALARM", "1.23456789E7")),
        ("AI", "-11", ("MINOR", "LOW_ALARM", "-11.0")),
        ("AI", "-1e9", ("MAJOR", "LOLO_ALARM", "-1.0E9")),
        ("BI", "Closed", ("MAJOR", "STATE_ALARM", "Closed")),
        ("MBBI", "Fault", ("MAJOR", "STATE_ALARM", "Fault")),
        ("LONG", "200", ("MINOR", "HIGH_ALARM", "200")),
    ],
)
def test_alarms_have_the_texts_of_phoebus(watching, ioc, record, value, expected):
    pv = ioc.prefix + record
    watching.subscribe(pv)
    watching.until(lambda: watching.readings(pv))
    ioc.put(pv, value)
    watching.until_reading(pv, *expected)


def test_first_readings_of_all_kinds(watching, ioc):
    names = ["BI", "MBBI", "LONG", "TEXT", "NEVER"]
    watching.subscribe(*(ioc.prefix + name for name in names))
    watching.until(lambda: all(watching.readings(ioc.prefix + name) for name in names))
    assert {name: watching.texts(ioc.prefix + name)[0] for name in names} == {
        "BI": ("OK", "NO_ALARM", "Open"),
        "MBBI": ("OK", "NO_ALARM", "Idle"),
        "LONG": ("OK", "NO_ALARM", "0"),
        "TEXT": ("OK", "NO_ALARM", "Beam off"),
        "NEVER": ("INVALID", "UDF_ALARM", "0.0"),
    }
    # It has no time stamp of its own.
    assert abs(watching.readings(ioc.prefix + "NEVER")[0].pv_time - time.time_ns()) < 30e9


def test_arrays_and_long_strings(watching, ioc):
    wave, floats, text = ioc.prefix + "WAVE", ioc.prefix + "FLOATS", ioc.prefix + "LONGTEXT.VAL$"
    watching.subscribe(wave, floats, text, values=True)
    watching.until(lambda: all(watching.readings(pv) for pv in (wave, floats, text)))
    ioc.put(wave, "[1, 2.5]")
    ioc.put(floats, "[0.1, 1e10, 3]")
    ioc.put(ioc.prefix + "LONGTEXT", "a text that is longer than the forty characters of a string")
    watching.until(lambda: all(watching.readings(pv)[-1].severity is Severity.OK for pv in (wave, floats, text)))
    assert watching.texts(wave)[-1][2].startswith("VDoubleArray[[1.0, 2.5, 0.0], size [3], NONE(NONE) - NO_ALARM, 20")
    assert watching.texts(floats)[-1][2].startswith("VFloatArray[[0.1, 1.0E10, 3.0, 0.0], size [4], NONE(NONE) - NO_ALARM, 20")
    watching.until_reading(text, "OK", "NO_ALARM", "a text that is longer than the forty characters of a string")


def test_an_alarm_travels_along_links(watching, ioc):
    pv = ioc.prefix + "CALC"
    watching.subscribe(pv)
    watching.until(lambda: watching.readings(pv))
    ioc.put(ioc.prefix + "AI", 9)
    watching.until_reading(pv, "MAJOR", "LINK_ALARM", "18.0")


def test_without_values_only_changes_of_the_alarm_are_delivered(watching, ioc):
    pv, all_values = ioc.prefix + "AI", "ca://" + ioc.prefix + "AI"
    watching.subscribe(pv)
    watching.subscribe(all_values, values=True)
    watching.until(lambda: watching.readings(pv) and watching.readings(all_values))
    values = ["1", "2", "6", "7", "9", "10", "3"]
    for value in values:
        ioc.put(pv, value)
    watching.until(lambda: len(watching.readings(all_values)) == 8)
    watching.until_reading(pv, "OK", "NO_ALARM", "3.0")
    assert [text[2] for text in watching.texts(all_values)] == ["0.0", *(f"{value}.0" for value in values)]
    assert [text[2] for text in watching.texts(pv)] == ["0.0", "6.0", "9.0", "3.0"]


def test_values_can_be_asked_for_later(watching, ioc):
    pv = ioc.prefix + "AI"
    watching.subscribe(pv)
    watching.until(lambda: watching.readings(pv))
    watching.subscribe(pv, values=True)
    watching.until(lambda: len(watching.readings(pv)) == 2)
    ioc.put(pv, 1)
    watching.until_reading(pv, "OK", "NO_ALARM", "1.0")
    assert watching.connections(pv) == [True]


def test_edited_labels_are_used(watching, ioc):
    pv = ioc.prefix + "MBBI"
    watching.subscribe(pv)
    watching.until(lambda: watching.readings(pv))
    ioc.put(pv + ".TWST", "Tripped")
    ioc.put(pv, 2)
    watching.until_reading(pv, "MAJOR", "STATE_ALARM", "Tripped")


def test_an_ioc_goes_and_comes_back(watching, iocs):
    ioc = iocs(DB)
    pvs = [ioc.prefix + name for name in ("AI", "BI")]
    watching.subscribe(*pvs)
    watching.until(lambda: all(watching.readings(pv) for pv in pvs))
    ioc.stop()
    watching.until(lambda: all(watching.connections(pv) == [True, False] for pv in pvs))
    assert watching.source.status().connected == 0
    gone = next(item for item in watching.inputs if isinstance(item, Connection) and not item.up)
    assert gone.server.rpartition(":")[2] == str(ioc.port)
    ioc.restart()
    watching.until(lambda: all(len(watching.readings(pv)) == 2 for pv in pvs), RECONNECT_S)
    assert all(watching.connections(pv) == [True, False, True] for pv in pvs)
    ioc.put(pvs[1], 1)
    watching.until_reading(pvs[1], "MAJOR", "STATE_ALARM", "Closed")


def test_a_record_may_have_another_type_after_a_restart(watching, iocs):
    ioc = iocs('record(ao, "$(P)X") { field(PINI, YES) }')
    pv = ioc.prefix + "X"
    watching.subscribe(pv)
    watching.until_reading(pv, "OK", "NO_ALARM", "0.0")
    ioc.stop()
    watching.until(lambda: watching.connections(pv) == [True, False])
    ioc.restart('record(bi, "$(P)X") { field(ZNAM, "Out") field(ONAM, "In") field(OSV, MINOR) field(VAL, 1) field(PINI, YES) }')
    watching.until_reading(pv, "MINOR", "STATE_ALARM", "In", RECONNECT_S)


def test_what_does_not_exist_says_nothing(watching, ioc):
    watching.subscribe(ioc.prefix + "NONE", ioc.prefix + "AI")
    watching.until(lambda: watching.readings(ioc.prefix + "AI"))
    assert {item.pv for item in watching.inputs} == {ioc.prefix + "AI"}
    status = watching.source.status()
    assert (status.total, status.connected) == (2, 1)


def test_what_cannot_be_a_pv_fails_with_a_reason(watching):
    watching.subscribe("pva://SR01:X", "two words")
    watching.until(lambda: len(watching.inputs) == 2)
    assert all(isinstance(item, Failure) for item in watching.inputs)
    assert [item.problem for item in watching.inputs] == [
        "No PV: pva:// is not a protocol of this source, only ca:// is",
        "No PV: 'two words' is not a name of a PV",
    ]


def test_nothing_comes_after_unsubscribing(watching, ioc):
    pv, other = ioc.prefix + "AI", ioc.prefix + "LONG"
    watching.subscribe(pv, other)
    watching.until(lambda: watching.readings(pv) and watching.readings(other))
    watching.source.unsubscribe([pv, "never subscribed"])
    watching.until(lambda: watching.source.status().total == 1)
    before = len(watching.inputs)
    ioc.put(pv, 9)
    ioc.put(other, 200)
    watching.until_reading(other, "MINOR", "HIGH_ALARM", "200")
    assert [item.pv for item in watching.inputs[before:]] == [other]


def thread_states() -> int:
    """Threads that Python keeps a state for, among them those of libca that call back."""
    api = ctypes.pythonapi
    for function in (api.PyInterpreterState_Main, api.PyInterpreterState_ThreadHead, api.PyThreadState_Next):
        function.restype = ctypes.c_void_p
    state = api.PyInterpreterState_ThreadHead(ctypes.c_void_p(api.PyInterpreterState_Main()))
    number = 0
    while state:
        number += 1
        state = api.PyThreadState_Next(ctypes.c_void_p(state))
    return number


def test_a_server_of_which_nothing_is_watched_any_more_is_left(watching, ioc):
    pvs = [ioc.prefix + "AI", ioc.prefix + "BI"]
    states = thread_states()
    watching.subscribe(*pvs)
    watching.until(lambda: all(watching.readings(pv) for pv in pvs))
    assert thread_states() == states + 1
    watching.source.unsubscribe(pvs)
    assert wait_for_threads(WAIT_S)
    watching.until(lambda: thread_states() == states)
    watching.subscribe(*pvs)
    watching.until(lambda: all(len(watching.readings(pv)) == 2 for pv in pvs))


def test_unsubscribed_while_connecting_and_subscribed_again(watching, ioc):
    pv = ioc.prefix + "AI"
    for _ in range(20):
        watching.subscribe(pv)
        watching.source.unsubscribe([pv])
    watching.subscribe(pv)
    watching.until(lambda: watching.readings(pv))
    ioc.put(pv, 9)
    watching.until_reading(pv, "MAJOR", "HIHI_ALARM", "9.0")
    assert watching.source.status().total == 1


def test_a_pv_that_may_not_be_read_any_more_is_not_quiet(watching, iocs, tmp_path):
    prefix = random_prefix()
    rules = tmp_path / "site.acf"
    rules.write_text('ASG(DEFAULT) { RULE(1, WRITE) } ASG(GUARDED) { INPA("' + prefix + 'ALLOWED") RULE(1, READ) { CALC("A=1") } }')
    db = 'record(ao, "$(P)ALLOWED") { field(VAL, 1) field(PINI, YES) } record(ao, "$(P)X") { field(ASG, GUARDED) field(PINI, YES) }'
    ioc = iocs(db, prefix, access_rules=rules)
    watching.subscribe(prefix + "X")
    watching.until_reading(prefix + "X", "OK", "NO_ALARM", "0.0")
    ioc.put(prefix + "ALLOWED", 0)
    watching.until_reading(prefix + "X", "INVALID", "READ_ACCESS_ALARM", "")
    ioc.put(prefix + "ALLOWED", 1)
    watching.until_reading(prefix + "X", "OK", "NO_ALARM", "0.0")


def test_a_sink_that_blocks_loses_nothing(iocs):
    ioc = iocs(
        'record(calc, "$(P)COUNT") { field(SCAN, ".1 second") field(INPA, "$(P)COUNT") field(CALC, "A+1") field(PINI, YES) }'
        'record(ao, "$(P)SWITCH") { field(PINI, YES) }'
    )
    count, switch = ioc.prefix + "COUNT", ioc.prefix + "SWITCH"
    blocked, release = threading.Event(), threading.Event()

    def sink(inputs: Sequence[Input]) -> None:
        if any(isinstance(item, Reading) and item.pv == switch and item.value == "1.0" for item in inputs):
            blocked.set()
            release.wait(60)

    watching = Watching(sink)
    try:
        watching.subscribe(count, switch, values=True)
        watching.until(lambda: watching.readings(switch) and watching.readings(count))
        ioc.put(switch, 1)
        assert blocked.wait(WAIT_S)
        held = time.monotonic()
        # 5 s of updates: the callbacks go on, which the queue shows.
        while watching.source.status().queued < 50:
            assert time.monotonic() - held < 30
            time.sleep(0.02)
        assert watching.source.status().age_s > 4
        release.set()
        watching.until(lambda: len(watching.readings(count)) > 60, 30)
    finally:
        release.set()
        watching.source.close()
    counted = [float(reading.value) for reading in watching.readings(count)]
    assert counted == [counted[0] + n for n in range(len(counted))]
    # They carry the time at which they came, not at which they were taken.
    arrivals = [reading.arrival for reading in watching.readings(count)]
    assert max(later - earlier for earlier, later in itertools.pairwise(arrivals)) < 2e9


def test_an_idle_source_is_alive(watching):
    start = time.monotonic()
    while time.monotonic() - start < 1:
        assert watching.source.status().age_s < 1
        time.sleep(0.02)


def test_two_thousand_pvs(watching, iocs):
    ioc = iocs("".join(f'record(ao, "$(P){n}") {{ field(PINI, YES) field(VAL, {n}) }}\n' for n in range(2000)))
    pvs = [f"{ioc.prefix}{n}" for n in range(2000)]
    watching.subscribe(*pvs)
    watching.until(lambda: watching.source.status().connected == 2000 and len(watching.inputs) >= 4000, 30)
    assert {item.pv: item.value for item in watching.inputs if isinstance(item, Reading)} == {pv: f"{float(n)}" for n, pv in enumerate(pvs)}


def test_closed_and_followed_by_another(ioc):
    pv = ioc.prefix + "AI"
    for _ in range(3):
        watching = Watching()
        watching.subscribe(pv)
        watching.until_reading(pv, "OK", "NO_ALARM", "0.0")
        watching.source.close()
        watching.source.close()
        before = len(watching.inputs)
        ioc.put(pv, 9)
        ioc.put(pv, 0)
        assert len(watching.inputs) == before


def test_started_once_only(watching):
    with pytest.raises(SourceError, match="started already"):
        watching.source.start(lambda _: None)


def test_other_addresses_come_too_late(watching):
    other = CaSource(CaSettings(addr_list=("192.0.2.1",), auto_addr_list=False))
    with pytest.raises(SourceError, match=r"reads its settings only once.*EPICS_CA_ADDR_LIST='192.0.2.1'"):
        other.start(lambda _: None)


SCRIPT = """
import sys, time
from alarm_engine.sources.ca import CaSettings, CaSource
from alarm_engine.sources.ca_threads import wait_for_threads
from alarm_engine.sources.port import Subscription
_, server, pv, *mode = sys.argv
seen = []
settings = CaSettings(addr_list=(), auto_addr_list=False, name_servers=(server,), server_timeout_s=5)
source = CaSource(settings)
source.start(seen.extend)
source.subscribe([Subscription(name, True) for name in pv.split(",")])
deadline = time.monotonic() + 20
while len(seen) < 2 and time.monotonic() < deadline and mode != ["at once"]:
    time.sleep(0.02)
print([type(item).__name__ for item in seen[:2]])
if mode != ["forget"]:
    source.close()
"""


def run_script(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("EPICS_")}
    environment["EPICS_CA_REPEATER_PORT"] = str(port_pool().repeater_port)
    return subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments], capture_output=True, text=True, timeout=60, env=environment, check=False
    )


def test_by_name_server_alone(ioc):
    done = run_script(ioc.addr, ioc.prefix + "AI")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "['Connection', 'Reading']"


def test_a_process_that_forgets_to_close_ends_all_the_same(iocs):
    # So many callbacks that some come while Python is shut down.
    ioc = iocs("".join(f'record(calc, "$(P){n}") {{ field(SCAN, ".1 second") field(CALC, "VAL+1") }}\n' for n in range(2000)))
    done = run_script(ioc.addr, ",".join(f"{ioc.prefix}{n}" for n in range(2000)), "forget")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1].startswith("['Connection', ")


def test_a_name_server_that_does_not_answer_costs_no_time_at_the_end():
    # Nobody listens there; what libca says about it is logged, not printed by itself.
    start = time.monotonic()
    done = run_script("127.0.0.1:1", "NO:SUCH:PV", "at once")
    assert (done.returncode, done.stderr) == (0, "")
    assert time.monotonic() - start < 4  # libca alone would wait its 5 s
