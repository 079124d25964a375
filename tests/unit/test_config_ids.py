"""Identities of components: one of its own for each, whatever files and templates say."""

from __future__ import annotations

import jsonschema
import pytest
import yaml

from alarm_engine.config.load import load_tree, read_tree
from alarm_engine.config.schema import json_schema
from alarm_engine.config.tree import below
from alarm_engine.config.write import to_yaml

TREE = """
config: Ring
systems:
  Vacuum:
    id: vac
    pvs: {V1: Pump}
    systems:
      S1:
        id: vac-1
        pvs: {V2: Gauge}
  RF:
    pvs: {R1: Cavity}
"""


def loaded(tmp_path, text, **more):
    for name, content in more.items():
        (tmp_path / f"{name}.yaml").write_text(content)
    (tmp_path / "tree.yaml").write_text(text)
    return load_tree(tmp_path / "tree.yaml")


def test_identities_are_read_and_written(tmp_path):
    tree = loaded(tmp_path, TREE).tree
    assert tree.ids == {"/Ring/Vacuum": "vac", "/Ring/Vacuum/S1": "vac-1"}
    (tmp_path / "again.yaml").write_text(to_yaml(tree))
    assert read_tree(tmp_path / "again.yaml") == tree
    assert "    id: vac\n" in to_yaml(tree)
    assert below(tree, "/Ring/Vacuum/S1").ids == {"/Ring/Vacuum/S1": "vac-1"}


def test_editors_know_them():
    schema = json_schema()
    jsonschema.validate(yaml.safe_load(TREE), schema)
    for wrong in ("id: [a]", "id: a b", "id: ''"):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(yaml.safe_load(TREE.replace("id: vac\n", wrong + "\n")), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"config": "Ring", "id": "x"}, schema)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (TREE.replace("vac-1", "vac"), "is the id of /Ring/Vacuum too, at "),
        (TREE.replace("vac-1", "VAC"), "is the id of /Ring/Vacuum too, at "),
        (TREE.replace("vac-1", "a b"), "cannot be an id"),
        (TREE.replace("vac-1", "-a"), "cannot be an id"),
        (TREE.replace("vac-1", "x" * 65), "cannot be an id"),
        (TREE.replace("id: vac-1", "id:"), "nothing is given"),
        (TREE.replace("id: vac-1", "id: [a]"), "a list is given"),
        (TREE.replace("config: Ring", "config: Ring\nid: x"), "is an unknown key"),
        (TREE.replace("V1: Pump", "V1: {description: Pump, id: x}"), "is an unknown key"),
    ],
)
def test_what_cannot_be_one_is_a_fault_and_no_alarm_is_lost(tmp_path, text, problem):
    result = loaded(tmp_path, text)
    (fault,) = result.errors
    assert problem in str(fault)
    assert fault.spot.line
    if "V1: {" not in text:
        assert set(result.tree.alarms) == {"/Ring/Vacuum/V1", "/Ring/Vacuum/S1/V2", "/Ring/RF/R1"}
        assert result.tree.ids.get("/Ring/Vacuum") == "vac"
        assert result.left_out, "its identity is not to be taken for removed"


def test_files_of_one_component_must_agree(tmp_path):
    first = "config: Ring\nsystems:\n  Vacuum:\n    id: vac\n    include: more.yaml\n"
    assert loaded(tmp_path, first, more="id: vac\npvs: {V1: Pump}\n").errors == ()
    (fault,) = loaded(tmp_path, first, more="id: other\npvs: {V1: Pump}\n").errors
    assert "differs from vac" in str(fault)
    (fault,) = loaded(tmp_path, "config: Ring\ninclude: more.yaml\n", more="id: x\npvs: {V1: Pump}\n").errors
    assert "stands at the root" in str(fault)


def test_templates_make_one_for_each_use(tmp_path):
    text = """
config: Ring
templates:
  sector:
    macros: {N: }
    systems:
      Sector $(N):
        id: sector-$(N)
        pvs: {"V$(N)": Pump}
use:
  - template: sector
    each: {N: 1..3}
"""
    assert list(loaded(tmp_path, text).tree.ids.values()) == ["sector-1", "sector-2", "sector-3"]
    result = loaded(tmp_path, text.replace("id: sector-$(N)", "id: sector"))
    assert result.errors
    assert all("is the id of /Ring/Sector 1 too" in str(fault) for fault in result.errors)
    assert result.tree.ids == {"/Ring/Sector 1": "sector"}
    assert {"/Ring/Sector 2", "/Ring/Sector 3"} <= set(result.left_out)
