"""The schema for editors agrees with the reader, and the committed file with the code."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import orjson
import pytest
import yaml

from alarm_engine.config.load import load_tree
from alarm_engine.config.schema import json_schema

COMMITTED = Path(__file__).parents[2] / "docs/reference/tree.schema.json"


def editor_accepts(data: Any) -> bool:
    # Editors follow YAML 1.2 and give dates as texts.
    return jsonschema.Draft7Validator(json_schema()).is_valid(json.loads(json.dumps(data, default=lambda d: d.isoformat())))


def test_the_schema_is_one() -> None:
    jsonschema.Draft7Validator.check_schema(json_schema())


def test_the_committed_schema_is_the_one_of_the_code() -> None:
    now = orjson.dumps(json_schema(), option=orjson.OPT_INDENT_2) + b"\n"
    assert COMMITTED.read_bytes() == now, (
        "the keys of tree files have changed; write the schema anew and commit it:\n"
        "    tocsin config schema > docs/reference/tree.schema.json\n"
        "A key that was taken away or renamed breaks the trees of users: is that meant?"
    )


GOOD = [
    "guidance: Call\ndefaults: {latching: false, delay: 2min, enabled: false, guidance: [a, {title: b, details: 4411}]}\n",
    "pvs: {A: a, B: , C: {description: c, enabled: '2040-01-02T03:04:05', delay: 5, count: 3, filter: a > 1}}\n",
    "pvs: {C: {description: c, enabled: '2040-01-02 03:04+01:00', delay: 1h 2min 3s, actions: [{details: 'cmd:x', delay: 5s}]}}\n",
    "pvs: {C: {description: 5, enabled: true, delay: '7', displays: {title: x, details: y}, commands: [x], actions: 'cmd:x'}}\n",
    "systems: {A: {systems: {B: {pvs: {C: c}}}, displays: [d]}, E: }\n",
    "use: [{template: t, macros: {N: 1}}, {template: t, each: {N: 2..5}}, {template: t, each: [{N: 6}, {N: A}]}]\n"
    "templates: {t: {macros: {N: n, D: {default: 2s}, L: {default: true}}, pvs: {P$(N): {description: p, delay: $(D), latching: $(L)}}}}\n",
    "x-own: [1, {2: 3}]\n",
]
BAD = [
    "pvs: {A: {descripton: a}}\n",
    "pvs: {A: {description: a, delay: soon}}\n",
    "pvs: {A: {description: a, delay: -1}}\n",
    "pvs: {A: {description: a, delay: 2.5}}\n",
    "pvs: {A: {description: a, delay: 5m}}\n",
    "pvs: {A: {description: a, delay: ''}}\n",
    "pvs: {A: {description: a, latching: maybe}}\n",
    "pvs: {A: {description: a, count: x}}\n",
    "pvs: {A: {description: a, enabled: tomorrow}}\n",
    "pvs: {A: {description: a, guidance: [{titel: x}]}}\n",
    "pvs: [A]\n",
    "systems: {A: text}\n",
    "systems: {A: {system: {}}}\n",
    "systems: {A: {description: x}}\n",
    "defaults: {description: x}\n",
    "use: [{macros: {N: 1}}]\n",
    "templates: {t: {pv: {}}}\n",
    "include: {a: b}\n",
]


@pytest.mark.parametrize("text", GOOD)
def test_what_is_good_is_good_for_both(tmp_path: Path, text: str) -> None:
    (tmp_path / "tree.yaml").write_text("config: D\n" + text)
    assert [str(fault) for fault in load_tree(tmp_path).errors] == []
    assert editor_accepts({"config": "D", **yaml.safe_load(text)})
    assert editor_accepts(yaml.safe_load(text)), "an included file has no config"


@pytest.mark.parametrize("text", BAD)
def test_what_is_bad_is_bad_for_both(tmp_path: Path, text: str) -> None:
    (tmp_path / "tree.yaml").write_text("config: D\n" + text)
    assert load_tree(tmp_path).errors
    assert not editor_accepts({"config": "D", **yaml.safe_load(text)})
