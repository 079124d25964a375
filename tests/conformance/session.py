"""A recorded session of the real Phoebus alarm server: its parts, and the tree that it began with."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from alarm_engine.model.path import join
from alarm_engine.model.settings import AlarmSettings, NodeSettings, Settings

NOT_REPLAYED = {
    "filter": "waits for filter formulas",
    "filter_partial": "waits for filter formulas",
    "formula": "waits for filter formulas",
    "records": "no session; see tests/unit/test_wire_records.py",
}
"""Recordings that are left aside, by the name of their file, and why."""

_SLACK_S = 0.05
"""A record may bear a time that is so much before the step that caused it."""
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
TOMBSTONE = "(removed)"
"""What stands for a record without a value."""
_STAMP = re.compile(r'"time":\{"seconds":\d+,"nano":\d+\}')


@dataclass(frozen=True, slots=True)
class Published:
    """A record as it was published, with times blanked."""

    key: str
    text: str
    offset: float
    """Seconds since the step that it follows."""

    @property
    def path(self) -> str:
        """The path in the key."""
        return self.key.partition(":")[2]

    @property
    def is_node(self) -> bool:
        """State of a component."""
        return self.key.startswith("state:") and self.text != TOMBSTONE and "current_severity" not in self.text


@dataclass(frozen=True, slots=True)
class Window:
    """A step and all that was published before the next one."""

    number: int
    """That of the step, -1 for the start of the server."""
    at: float
    step: dict[str, Any]
    records: list[Published]

    @property
    def is_burst(self) -> bool:
        """Several alarms change at once, in no fixed order: severities of components in between are left to chance."""
        return self.step["do"] in ("ioc", "server")

    @property
    def text(self) -> str:
        """For people."""
        what = " ".join(str(self.step[name]) for name in ("do", "op", "pv", "key", "value") if name in self.step)
        return f"step {self.number} at {self.at:g} s ({what[:140]})"


def blank(text: str | None) -> str:
    """The value of a record without what differs in every run: time stamps, also those inside of an array's text."""
    return TOMBSTONE if text is None else _INSTANT.sub("<instant>", _STAMP.sub('"time":{}', text))


@dataclass(frozen=True, slots=True)
class Session:
    """What a file holds."""

    name: str
    config: str
    database: str
    """Of the IOC."""
    tree: list[tuple[str, Settings]]
    """Components and alarms as they were imported, parents first."""
    settings: dict[str, str]
    started_at: float
    imported: dict[str, str]
    """The configuration records that Phoebus's import wrote."""
    windows: list[Window]
    ends_at: float
    starts: dict[int, float] = field(default_factory=dict)
    """How long the server took to start, by step."""


def is_session(data: Any) -> bool:
    """True for the form that this module reads."""
    return isinstance(data, dict) and {"ioc_db", "tree_xml", "steps", "records"} <= data.keys()


def load_session(path: Path) -> Session:
    """Raises `ValueError` for a file of another form."""
    data = json.loads(path.read_text(encoding="utf-8"))
    if not is_session(data):
        raise ValueError(f"{path}: expected an object with ioc_db, tree_xml, steps and records (a recorded session)")
    start = data["server_started_at"]
    steps = [{"at": start, "do": "server", "op": "start"}, *data["steps"]]
    windows = [Window(number, step["at"], step, []) for number, step in enumerate(steps, -1)]
    imported = {}
    starts = {}
    for record in sorted(data["records"], key=lambda r: r["created"]):
        time, key = record["created"], record["key"]
        if time < start - 1:
            imported[key] = record["raw"]
            continue
        window = next((w for w in reversed(windows) if w.at - _SLACK_S <= time), windows[0])
        if key.startswith("talk:") and "Alarm server started" in record["raw"]:
            starts[window.number] = max(0.0, time - window.at)
        if not key.startswith("command:") and not _is_sent(record, window.step):
            window.records.append(Published(key, blank(record["raw"]), time - window.at))
    ends_at = max(record["created"] for record in data["records"]) + 1
    tree = read_tree(data["tree_xml"])
    return Session(
        data["name"],
        data["config"],
        data["ioc_db"],
        tree,
        data["settings"],
        start,
        imported,
        windows,
        max(ends_at, windows[-1].at + 1),
        starts,
    )


def _is_sent(record: dict[str, Any], step: dict[str, Any]) -> bool:
    """True for the record that the step itself wrote."""
    return step["do"] == "record" and (record["key"], record["raw"]) == (step["key"], step["raw"])


def read_tree(xml: str) -> list[tuple[str, Settings]]:
    """A tree of Phoebus's XML form: as much of it as the sessions have."""
    root = ElementTree.fromstring(xml)
    found: list[tuple[str, Settings]] = []
    _read_node(root, "/" + root.attrib["name"], found)
    return found


def _read_node(node: ElementTree.Element, path: str, found: list[tuple[str, Settings]]) -> None:
    for child in node:
        below = join(path, child.attrib["name"])
        if child.tag == "component":
            found.append((below, NodeSettings()))
            _read_node(child, below, found)
        elif child.tag == "pv":
            text: dict[str, str] = defaultdict(str, {part.tag: part.text or "" for part in child})
            settings = AlarmSettings(
                description=text["description"],
                enabled=text["enabled"] != "false",
                latching=text["latching"] != "false",
                annunciating=text["annunciating"] == "true",
                delay_s=int(text["delay"] or 0),
                count=int(text["count"] or 0),
                filter=text["filter"],
            )
            found.append((below, settings))
        else:
            raise ValueError(f"{path}: <{child.tag}> is nothing that the recorded trees have")
