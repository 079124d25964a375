"""Reading a tree again with what was read before gives what reading it afresh gives, faults included."""

from __future__ import annotations

import pytest

from alarm_engine.config import files
from alarm_engine.config.load import load_tree
from alarm_engine.config.memory import Memory

FIRST = """\
config: Demo
time_zone: UTC
defaults: {delay: 5}
include: library.yaml
systems:
  Vacuum: {include: vacuum.yaml}
  Also vacuum: {defaults: {latching: false}, include: vacuum.yaml}
  RF:
    use: [{template: cavity, each: {N: 1..3}}]
"""
VACUUM = "pvs:\n  G1: Gauge 1\n  G2: {description: Gauge 2, delay: 2h}\n  G3: {latching: false}\n"
LIBRARY = (
    "templates:\n  cavity:\n    macros: {N: number, D: {default: 1}}\n    pvs:\n      C$(N): {description: Cavity $(N), count: $(D)}\n"
)
EDITS = [
    ("vacuum.yaml", "Gauge 1", "Gauge one"),
    ("tree.yaml", "{delay: 5}", "{delay: 6}"),
    ("library.yaml", "Cavity $(N)", "RF cavity $(N)"),
    ("tree.yaml", "1..3", "2..4"),
    ("vacuum.yaml", "2h", "soon"),
    ("tree.yaml", "time_zone: UTC", "time_zone: Europe/Berlin"),
    ("vacuum.yaml", "soon", "3h"),
    ("vacuum.yaml", "G3: {latching: false}", "G3: {enabled: 2040-01-02T03:04:05}"),
    ("tree.yaml", "time_zone: Europe/Berlin", "time_zone: UTC"),
]


@pytest.fixture
def folder(tmp_path):
    for name, text in (("tree.yaml", FIRST), ("vacuum.yaml", VACUUM), ("library.yaml", LIBRARY)):
        (tmp_path / name).write_text(text)
    return tmp_path


def test_whatever_is_edited_it_is_as_if_read_afresh(folder):
    memory = Memory()
    for name, old, new in [EDITS[0], *EDITS]:
        again, fresh = load_tree(folder / "tree.yaml", memory=memory), load_tree(folder / "tree.yaml")
        assert again == fresh
        text = (folder / name).read_text()
        (folder / name).write_text(text.replace(old, new))
    assert load_tree(folder / "tree.yaml", memory=memory) == load_tree(folder / "tree.yaml")


def test_only_what_changed_is_parsed_and_the_rest_are_the_same_objects(folder, monkeypatch):
    memory, parsed = Memory(), []
    before = load_tree(folder / "tree.yaml", memory=memory)
    parse = files.parse
    monkeypatch.setattr(files, "parse", lambda data, limits: parsed.append(data) or parse(data, limits))
    (folder / "library.yaml").write_text(LIBRARY + "# a remark\n")
    after = load_tree(folder / "tree.yaml", memory=memory)
    assert [data[:9] for data in parsed] == [b"templates"]
    assert after.tree.alarms == before.tree.alarms
    assert after.tree.alarms["/Demo/Vacuum/G1"] is before.tree.alarms["/Demo/Vacuum/G1"]
