"""The difference of two trees, and that applying it leads from one to the other."""

from hypothesis import given, settings

from alarm_engine.config.diff import ChangeKind, FieldChange, diff
from alarm_engine.config.tree import ConfigTree, arrange
from alarm_engine.model import path as paths
from alarm_engine.model.settings import AlarmSettings, NodeSettings, TitledText
from tests.unit.test_config_write import trees


def tree(nodes: dict[str, NodeSettings], alarms: dict[str, AlarmSettings]) -> ConfigTree:
    return arrange("D", "UTC", nodes, alarms)


def test_equal_trees_have_no_difference() -> None:
    one = tree({"/D/S": NodeSettings()}, {"/D/S/p": AlarmSettings("p")})
    assert diff(one, one) == []


def test_added_edited_removed() -> None:
    guidance = (TitledText("a", "b"),)
    old = tree({"/D/S": NodeSettings()}, {"/D/S/gone": AlarmSettings("g"), "/D/S/p": AlarmSettings("p"), "/D/T/x": AlarmSettings("x")})
    new = tree(
        {"/D/S": NodeSettings(guidance=guidance)},
        {"/D/S/p": AlarmSettings("p", delay_s=5, latching=False), "/D/S/p2": AlarmSettings("2"), "/D/U/V/y": AlarmSettings("y")},
    )
    changes = diff(old, new)
    assert [(change.kind.value, change.path) for change in changes] == [
        ("removed", "/D/T/x"),
        ("removed", "/D/T"),
        ("removed", "/D/S/gone"),
        ("edited", "/D/S"),
        ("edited", "/D/S/p"),
        ("added", "/D/S/p2"),
        ("added", "/D/U"),
        ("added", "/D/U/V"),
        ("added", "/D/U/V/y"),
    ]
    assert changes[3].fields == (FieldChange("guidance", (), guidance),)
    assert changes[4].fields == (FieldChange("latching", True, False), FieldChange("delay_s", 0, 5))
    assert (changes[4].old, changes[4].new) == (AlarmSettings("p"), AlarmSettings("p", delay_s=5, latching=False))
    assert [change.is_alarm for change in changes[:4]] == [True, False, True, False]


def test_a_component_that_becomes_an_alarm_is_removed_first() -> None:
    old = tree({}, {"/D/S/p": AlarmSettings("p")})
    new = tree({}, {"/D/S": AlarmSettings("s")})
    assert [(change.kind, change.path) for change in diff(old, new)] == [
        (ChangeKind.REMOVED, "/D/S/p"),
        (ChangeKind.REMOVED, "/D/S"),
        (ChangeKind.ADDED, "/D/S"),
    ]


@given(trees(), trees())
@settings(max_examples=50, deadline=None)
def test_changes_can_be_applied_in_their_order(old: ConfigTree, new: ConfigTree) -> None:
    state = {**old.nodes, **old.alarms}
    for change in diff(old, new):
        if change.kind is ChangeKind.REMOVED:
            assert not any(paths.is_below(path, change.path) for path in state if path != change.path)
            del state[change.path]
            continue
        assert change.new is not None
        if change.kind is ChangeKind.ADDED:
            assert change.path not in state
            assert len(paths.split(change.path)) == 1 or isinstance(state[paths.parent(change.path)], NodeSettings)
        state[change.path] = change.new
    assert state == {**new.nodes, **new.alarms}
