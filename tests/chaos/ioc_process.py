"""A soft IOC that changes its own records and writes down what they were: `python -m tests.chaos.ioc_process FILE.db TRUTH SEED`.

Says `ready` once it serves. Reads one JSON request a line, and answers `ok` or `refused`:

- `{"do": "run", "pvs": [...], "rate": 50}`: change each of these once, and then one at random so many times a second, each time to another
  severity
- `{"do": "rest"}`: stop that; answered when the last change is written down
- `{"do": "put", "pv": NAME, "severity": "MAJOR"}`: change one now

Each line of TRUTH is `PV SEVERITY VALUE NANOSECONDS` of a record that has processed, with its own time stamp. Before it there is a line
`PV SEVERITY VALUE ?`: should the process be killed in between, nobody can know. The value is a number that no other change has.
Ends when its standard input does.
"""

from __future__ import annotations

import ctypes
import json
import os
import random
import sys
import threading
import time
from pathlib import Path
from typing import Any

_EPICS_EPOCH_S = 631_152_000
_DBF_LONG = 5
_STATUS_AND_TIME = 0x11
_SEVERITIES = ("OK", "MINOR", "MAJOR", "INVALID")
_BASE = {"OK": 0, "MINOR": 1_000_000, "MAJOR": 2_000_000, "INVALID": -1_999_999}

RECORD = """record(longout, "{name}") {{
  field(HIGH, 1000000) field(HSV, MINOR) field(HIHI, 2000000) field(HHSV, MAJOR) field(LOLO, -1) field(LLSV, INVALID)
  field(PINI, YES) field(UDF, 0)
}}
"""
"""A record whose alarm follows its value, with room for a number in each severity."""


class Records:
    """Records of this process, changed and read back as the database has them."""

    def __init__(self, core: Any, truth: Path) -> None:
        self._core = core
        self._addresses: dict[str, Any] = {}
        self._truth = os.open(truth, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        # A record that comes back after a crash must not repeat a number of its former life.
        self._number = truth.read_bytes().count(b"\n")
        self._lock = threading.Lock()
        self.severity: dict[str, str] = {}

    def put(self, pv: str, severity: str) -> bool:
        """Change one; False if the database refuses."""
        with self._lock:
            self._number += 1
            value = _BASE[severity] + self._number
            self._write(f"{pv} {severity} {value} ?")
            address = self._address(pv)
            number = ctypes.c_int32(value)
            if address is None or self._core.dbPutField(address, _DBF_LONG, ctypes.byref(number), ctypes.c_long(1)):
                return False
            self._read_back(pv)
            return True

    def note(self, pv: str) -> None:
        """Write down what a record is now."""
        with self._lock:
            self._read_back(pv)

    def _read_back(self, pv: str) -> None:
        buffer, options, count = ctypes.create_string_buffer(64), ctypes.c_long(_STATUS_AND_TIME), ctypes.c_long(1)
        refused = self._core.dbGetField(self._address(pv), _DBF_LONG, buffer, ctypes.byref(options), ctypes.byref(count), None)
        if refused or options.value != _STATUS_AND_TIME:
            raise RuntimeError(f"{pv} cannot be read back: {refused}, options {options.value}")
        severity = _SEVERITIES[int.from_bytes(buffer.raw[2:4], "little")]
        seconds, nanos = int.from_bytes(buffer.raw[8:12], "little"), int.from_bytes(buffer.raw[12:16], "little")
        value = int.from_bytes(buffer.raw[16:20], "little", signed=True)
        self.severity[pv] = severity
        self._write(f"{pv} {severity} {value} {(seconds + _EPICS_EPOCH_S) * 1_000_000_000 + nanos}")

    def _address(self, pv: str) -> Any:
        if pv not in self._addresses:
            address = ctypes.create_string_buffer(1024)
            self._addresses[pv] = None if self._core.dbNameToAddr(pv.encode(), address) else address
        return self._addresses[pv]

    def _write(self, line: str) -> None:
        os.write(self._truth, line.encode() + b"\n")


class Load:
    """Changes records at random, at a steady pace, in a thread of its own."""

    def __init__(self, records: Records, seed: int) -> None:
        self._records = records
        self._chance = random.Random(seed)
        self._resting = threading.Event()
        self._thread: threading.Thread | None = None

    def run(self, pvs: list[str], rate: float) -> None:
        """Begin."""
        self.rest()
        self._resting.clear()
        self._thread = threading.Thread(target=self._change, args=(pvs, 1 / rate), name="load")
        self._thread.start()

    def rest(self) -> None:
        """Stop; returns when nothing is on its way any more."""
        self._resting.set()
        if self._thread is not None:
            self._thread.join()

    def _change(self, pvs: list[str], period_s: float) -> None:
        for pv in pvs:
            self._change_one(pv)
        due = time.monotonic()
        while not self._resting.is_set():
            self._change_one(self._chance.choice(pvs))
            due = max(due + period_s, time.monotonic() - 1)
            self._resting.wait(max(0.0, due - time.monotonic()))

    def _change_one(self, pv: str) -> None:
        others = [severity for severity in _SEVERITIES if severity != self._records.severity.get(pv, "OK")]
        # More than half of all changes go back to normal, so that alarms rise from there again.
        self._records.put(pv, "OK" if "OK" in others and self._chance.random() < 0.6 else self._chance.choice(others))


def main() -> None:
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    from epicscorelibs import ioc

    database, truth, seed = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    ioc.start_ioc(database=str(database))
    records = Records(ioc.dbCore, truth)
    for line in database.read_text(encoding="utf-8").splitlines():
        if line.startswith("record("):
            records.note(line.split('"')[1])
    load = Load(records, seed)
    print("ready", file=answers)
    for line in sys.stdin:
        request, done = json.loads(line), True
        if request["do"] == "run":
            load.run(request["pvs"], request["rate"])
        elif request["do"] == "rest":
            load.rest()
        else:
            done = records.put(request["pv"], request["severity"])
        print("ok" if done else "refused", file=answers)
    os._exit(0)


if __name__ == "__main__":
    main()
