"""Settings changed in the files of a tree, with all else as it was."""

from dataclasses import replace
from pathlib import Path

import pytest

from alarm_engine.config.change import TreeChange, change
from alarm_engine.config.load import read_tree
from alarm_engine.model.settings import AlarmSettings

HEAD = "config: Demo\nsystems:\n  A:\n    pvs:\n"


def changed(directory: Path, text: str, path: str = "/Demo/A/P1", **fields: object) -> TreeChange:
    file = directory / "tree.yaml"
    file.write_bytes(text.encode())
    tree = read_tree(file)
    return change(file, tree, {path: replace(tree.alarms[path], **fields)})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("      P1: Pump 1   # note\n", "      P1:\n        description: Pump 1   # note\n        delay: 10\n"),
        ("      'P1' : \"Pump: 1\"", "      'P1' :\n        description: \"Pump: 1\"\n        delay: 10"),
        ("      P1: {description: Pump 1}   # note\n", "      P1: {description: Pump 1, delay: 10}   # note\n"),
        ("      P1: {delay: 5s, description: x}\n", "      P1: {delay: 10, description: x}\n"),
        ("      P1: {\n        description: x, # note\n      }\n", "      P1: {\n        description: x, delay: 10, # note\n      }\n"),
        (
            "      P1:   # pump\n        description: Pump é 1  # é\n\n        # why\n        latching: false\n",
            "      P1:   # pump\n        description: Pump é 1  # é\n        delay: 10\n\n        # why\n        latching: false\n",
        ),
        (
            "      P1:\n        description: |\n          Pump\n        delay: '5'  # five\n      P2: x\n",
            "      P1:\n        description: |\n          Pump\n        delay: 10  # five\n      P2: x\n",
        ),
        (
            "      P1:\n        description: >-\n          Pump\n          1\n      P2: x\n",
            "      P1:\n        delay: 10\n        description: >-\n          Pump\n          1\n      P2: x\n",
        ),
        ("      P1: Pump\r\n      P2: x\r\n", "      P1:\r\n        description: Pump\r\n        delay: 10\r\n      P2: x\r\n"),
        ("      {P1: Pump, P2: x}\n", "      {P1: {description: Pump, delay: 10}, P2: x}\n"),
    ],
)
@pytest.mark.parametrize("bom", ["", "\ufeff"])
def test_all_else_stays(tmp_path: Path, before: str, after: str, bom: str) -> None:
    [file] = changed(tmp_path, bom + HEAD + before, delay_s=10).files
    assert file.new == bom + HEAD + after
    assert file.old == bom + HEAD + before
    file.write()
    assert (tmp_path / "tree.yaml").read_bytes() == file.new.encode()
    assert [one.name for one in tmp_path.iterdir()] == ["tree.yaml"]


def test_the_difference_is_one_for_patch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    [file] = changed(tmp_path, HEAD + "      P1: Pump", delay_s=10, latching=False, count=3).files
    assert file.diff().splitlines() == [
        "--- tree.yaml", "+++ tree.yaml", "@@ -2,4 +2,8 @@", " systems:", "   A:", "     pvs:", "-      P1: Pump",
        "\\ No newline at end of file", "+      P1:", "+        description: Pump", "+        delay: 10", "+        count: 3",
        "+        latching: false", "\\ No newline at end of file",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("      P1: |\n        Pump\n", "its description takes more than one line"),
        ("      P2: &x {description: a}\n      P1: *x\n", "its fields are those of an anchor, which others may use too"),
        ("      P1: &x {description: a}\n      P2: *x\n", "a change there would change something else too"),
    ],
)
def test_what_cannot_be_edited_is_left_alone(tmp_path: Path, text: str, why: str) -> None:
    result = changed(tmp_path, HEAD + text, delay_s=10)
    assert result.files == ()
    assert result.refused["/Demo/A/P1"].endswith(why)


def test_the_file_that_is_included_is_changed_and_one_for_two_components_is_not(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/a.yaml").write_text("pvs:\n  P1: Pump\n  P2: Pump 2\n")
    text = "config: Demo\nsystems:\n  A: {include: sub/a.yaml}\n"
    result = changed(tmp_path, text, delay_s=10)
    assert [file.file for file in result.files] == [str(tmp_path / "sub/a.yaml")]
    assert result.files[0].new == "pvs:\n  P1:\n    description: Pump\n    delay: 10\n  P2: Pump 2\n"
    twice = changed(tmp_path, text + "  B: {include: sub/a.yaml}\n", delay_s=10)
    assert twice.refused == {"/Demo/A/P1": f"{tmp_path}/sub/a.yaml:2: a change there would change something else too"}


def test_a_template_is_not_changed(tmp_path: Path) -> None:
    text = "config: Demo\ntemplates:\n  pump:\n    macros: {N: number}\n    pvs:\n      P$(N): Pump\nsystems:\n  A:\n    use:\n"
    result = changed(tmp_path, text + "      - {template: pump, each: {N: 1..3}}\n", delay_s=10)
    assert result.files == ()
    why = f"it stands in a template ({tmp_path}/tree.yaml:6): a change there is one for 3 alarms"
    assert result.refused == {"/Demo/A/P1": why}


def test_a_field_that_was_handed_down_and_several_alarms_at_once(tmp_path: Path) -> None:
    file = tmp_path / "tree.yaml"
    head = "config: Demo\ndefaults: {delay: 5}\nsystems:\n  A:\n    pvs:\n"
    file.write_text(head + "      P1: Pump\n      P2: Pump 2\n      P3: |\n        x\n      P4: y\n")
    tree = read_tree(file)
    wanted = {path: replace(settings, delay_s=10) for path, settings in tree.alarms.items() if not path.endswith("P4")}
    result = change(file, tree, wanted)
    assert set(result.refused) == {"/Demo/A/P3"}
    result.files[0].write()
    again = read_tree(file)
    assert {path[-2:]: settings.delay_s for path, settings in again.alarms.items()} == {"P1": 10, "P2": 10, "P3": 5, "P4": 5}
    assert isinstance(again.alarms["/Demo/A/P1"], AlarmSettings)
