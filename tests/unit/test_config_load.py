"""What the files of a tree mean."""

from datetime import UTC, datetime
from pathlib import Path
from textwrap import dedent

import pytest

from alarm_engine.config.load import LoadResult, load_tree, read_tree
from alarm_engine.config.tree import ConfigTree
from alarm_engine.errors import ConfigError
from alarm_engine.model.settings import Action, AlarmSettings, NodeSettings, TitledText
from alarm_engine.model.times import from_datetime


def write(directory: Path, **files: str) -> Path:
    """Write files (`sub__name` is `sub/name`) and give the first one."""
    for name, text in files.items():
        path = directory / (name.replace("__", "/") + ".yaml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text), encoding="utf-8")
    return directory / "tree.yaml"


def good(directory: Path, **files: str) -> ConfigTree:
    result = load_tree(write(directory, **files))
    assert [str(fault) for fault in result.faults] == []
    assert result.left_out == ()
    assert result.tree is not None
    return result.tree


def load(directory: Path, **files: str) -> LoadResult:
    return load_tree(write(directory, **files))


def test_every_field_of_an_alarm(tmp_path: Path) -> None:
    tree = good(
        tmp_path,
        tree="""
        config: Demo
        time_zone: Europe/Berlin
        pvs:
          Pump1:Flow:
            description: "*Pump 1 flow low"
            enabled: 2040-01-02T03:04:05
            latching: false
            annunciating: false
            delay: 1min 5s
            count: 3
            filter: "'Pump1:Run' == 1"
            guidance: [{title: Who, details: "Call cooling group, 4411"}, Look at the pump]
            displays: {title: Pump, details: /disp/pump.bob?N=$(N)}
            commands: [pump_reset 1]
            actions: [{title: Mail, details: "mailto:mara@lab.example", delay: 60}, "cmd:horn"]
          Plain: Only a description
        """,
    )
    assert tree.name == "Demo"
    assert tree.time_zone == "Europe/Berlin"
    assert tree.nodes == {"/Demo": NodeSettings()}
    assert tree.alarms == {
        "/Demo/Plain": AlarmSettings(description="Only a description"),
        "/Demo/Pump1:Flow": AlarmSettings(
            description="*Pump 1 flow low",
            enabled=False,
            enabled_at=from_datetime(datetime(2040, 1, 2, 2, 4, 5, tzinfo=UTC)),
            latching=False,
            annunciating=False,
            delay_s=65,
            count=3,
            filter="'Pump1:Run' == 1",
            guidance=(TitledText("Who", "Call cooling group, 4411"), TitledText("Look at the pump", "Look at the pump")),
            displays=(TitledText("Pump", "/disp/pump.bob?N=$(N)"),),
            commands=(TitledText("pump_reset 1", "pump_reset 1"),),
            actions=(Action("Mail", "mailto:mara@lab.example", 60), Action("cmd:horn", "cmd:horn")),
        ),
    }


def test_texts_stay_as_they_are_written(tmp_path: Path) -> None:
    tree = good(tmp_path, tree='config: D\npvs: {A: no, B: 0044, C: 1e3, D: 12:30:00, E: "", 2040-01-02: date, F: {description: true}}\n')
    assert {path: alarm.description for path, alarm in tree.alarms.items()} == {
        "/D/A": "no",
        "/D/B": "0044",
        "/D/C": "1e3",
        "/D/D": "12:30:00",
        "/D/E": "",
        "/D/2040-01-02": "date",
        "/D/F": "true",
    }


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("5", 5), ('"5"', 5), ("5s", 5), ("5 s", 5), ("2min", 120), ("1h", 3600), ("1min30s", 90), ("1h 0min 1s", 3601)],
)
def test_delays(tmp_path: Path, text: str, seconds: int) -> None:
    tree = load(tmp_path, tree=f"config: D\npvs: {{A: {{description: a, delay: {text}}}}}\n").tree
    assert tree is not None
    assert tree.alarms["/D/A"].delay_s == seconds


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2040-07-01", datetime(2040, 6, 30, 22, tzinfo=UTC)),
        ("2040-07-01 12:30", datetime(2040, 7, 1, 10, 30, tzinfo=UTC)),
        ('"2040-07-01T12:30:15"', datetime(2040, 7, 1, 10, 30, 15, tzinfo=UTC)),
        ("2040-07-01T12:30:15Z", datetime(2040, 7, 1, 12, 30, 15, tzinfo=UTC)),
        ("2040-07-01T12:30:15.25-05:00", datetime(2040, 7, 1, 17, 30, 15, 250_000, tzinfo=UTC)),
    ],
)
def test_dates_without_a_zone_are_those_of_the_tree(tmp_path: Path, text: str, expected: datetime) -> None:
    tree = good(tmp_path, tree=f"config: D\ntime_zone: Europe/Berlin\npvs: {{A: {{description: a, enabled: {text}}}}}\n")
    assert tree.alarms["/D/A"].enabled is False
    assert tree.alarms["/D/A"].enabled_at == from_datetime(expected)


def test_defaults_are_handed_down_and_the_nearest_wins(tmp_path: Path) -> None:
    tree = good(
        tmp_path,
        tree="""
        config: D
        defaults: {latching: false, delay: 10, enabled: 2040-01-01, guidance: Far}
        pvs: {top: t}
        systems:
          S:
            defaults: {delay: 2, guidance: Near}
            pvs:
              a: a
              b: {description: b, delay: 0, latching: true, enabled: true, guidance: []}
          T:
            pvs: {c: c}
        """,
    )
    far, near = (TitledText("Far", "Far"),), (TitledText("Near", "Near"),)
    until = from_datetime(datetime(2040, 1, 1, tzinfo=UTC))
    assert tree.alarms == {
        "/D/S/a": AlarmSettings("a", False, until, latching=False, delay_s=2, guidance=near),
        "/D/S/b": AlarmSettings("b"),
        "/D/T/c": AlarmSettings("c", False, until, latching=False, delay_s=10, guidance=far),
        "/D/top": AlarmSettings("t", False, until, latching=False, delay_s=10, guidance=far),
    }


def test_everything_is_in_natural_order_with_parents_first(tmp_path: Path) -> None:
    tree = good(
        tmp_path,
        tree="config: D\nsystems:\n  S10: {pvs: {x: x}}\n  S2: {pvs: {P10: x, P9: x}, systems: {B: {pvs: {y: y}}, A: {}}}\npvs: {S3: x}\n",
    )
    assert list(tree.nodes) == ["/D", "/D/S2", "/D/S2/A", "/D/S2/B", "/D/S10"]
    assert list(tree.alarms) == ["/D/S2/B/y", "/D/S2/P9", "/D/S2/P10", "/D/S3", "/D/S10/x"]


def test_names_with_slashes_make_escaped_paths(tmp_path: Path) -> None:
    tree = good(tmp_path, tree="config: D\nsystems: {In/Out: {pvs: {'sim://sine(-5, 5, 1)': s, '=2 * `x`': f}}}\n")
    assert list(tree.nodes) == ["/D", "/D/In\\/Out"]
    assert set(tree.alarms) == {"/D/In\\/Out/sim:\\/\\/sine(-5, 5, 1)", "/D/In\\/Out/=2 * `x`"}


def test_includes_are_relative_to_their_file_and_join_the_component(tmp_path: Path) -> None:
    tree = good(
        tmp_path,
        tree="""
        config: D
        defaults: {delay: 7}
        systems:
          Vacuum: {include: vac/all.yaml, pvs: {own: o}}
          RF: {include: [rf.yaml, other.yaml]}
        """,
        vac__all="guidance: Call\ndefaults: {latching: false}\ninclude: more.yaml\npvs: {gauge: g}\n",
        vac__more="systems: {More: {pvs: {m: m}}}\n",
        rf="pvs: {power: p}\n",
        other="systems: {More: {pvs: {n: n}}}\n",
    )
    assert tree.nodes["/D/Vacuum"].guidance == (TitledText("Call", "Call"),)
    assert tree.alarms == {
        "/D/RF/More/n": AlarmSettings("n", delay_s=7),
        "/D/RF/power": AlarmSettings("p", delay_s=7),
        "/D/Vacuum/More/m": AlarmSettings("m", delay_s=7, latching=False),
        "/D/Vacuum/gauge": AlarmSettings("g", delay_s=7, latching=False),
        "/D/Vacuum/own": AlarmSettings("o", delay_s=7),
    }


def test_a_component_may_be_spread_over_files(tmp_path: Path) -> None:
    tree = good(
        tmp_path,
        tree="config: D\ninclude: [a.yaml, b.yaml]\n",
        a="systems: {RF: {guidance: Call RF, pvs: {a: a}}}\n",
        b="systems: {RF: {guidance: Call RF, pvs: {b: b}}}\n",
    )
    assert tree.nodes == {"/D": NodeSettings(), "/D/RF": NodeSettings(guidance=(TitledText("Call RF", "Call RF"),))}
    assert list(tree.alarms) == ["/D/RF/a", "/D/RF/b"]


def test_templates(tmp_path: Path) -> None:
    tree = good(
        tmp_path,
        tree="""
        config: D
        include: library.yaml
        systems:
          RF:
            use:
              - template: cavity
                macros: {S: A}
                each: {N: 08..10}
              - template: cavity
                each: [{S: B, N: 1}, {S: B, N: 2, D: 3s}]
        """,
        library="""
        templates:
          cavity:
            macros:
              S: sector
              N:
              D: {description: delay, default: 5s}
            defaults: {delay: $(D)}
            pvs: {"RF:$(S)$(N):Power": "Cavity $(N), display $$(N)"}
            use: [{template: cooling, macros: {WHERE: "CAV${S}${N}"}}]
          cooling:
            macros: {WHERE: place}
            systems: {Cooling: {guidance: Call, pvs: {"COOL:$(WHERE)": Flow at $(WHERE)}}}
        """,
    )
    assert {path: (alarm.description, alarm.delay_s) for path, alarm in tree.alarms.items()} == {
        "/D/RF/Cooling/COOL:CAVA08": ("Flow at CAVA08", 5),
        "/D/RF/Cooling/COOL:CAVA09": ("Flow at CAVA09", 5),
        "/D/RF/Cooling/COOL:CAVA10": ("Flow at CAVA10", 5),
        "/D/RF/Cooling/COOL:CAVB1": ("Flow at CAVB1", 5),
        "/D/RF/Cooling/COOL:CAVB2": ("Flow at CAVB2", 3),
        "/D/RF/RF:A08:Power": ("Cavity 08, display $(N)", 5),
        "/D/RF/RF:A09:Power": ("Cavity 09, display $(N)", 5),
        "/D/RF/RF:A10:Power": ("Cavity 10, display $(N)", 5),
        "/D/RF/RF:B1:Power": ("Cavity 1, display $(N)", 5),
        "/D/RF/RF:B2:Power": ("Cavity 2, display $(N)", 3),
    }
    assert tree.nodes["/D/RF/Cooling"].guidance == (TitledText("Call", "Call"),)
    place = tree.places["/D/RF/RF:B2:Power"]
    assert (Path(place.file).name, place.line) == ("library.yaml", 9)
    assert place.used_at.endswith("tree.yaml:10")


def test_each_makes_every_combination(tmp_path: Path) -> None:
    tree = good(
        tmp_path,
        tree="""
        config: D
        use: [{template: t, each: {S: [A, B], N: 1..2}}]
        templates: {t: {macros: {S: s, N: n}, pvs: {"$(S)$(N)": x}}}
        """,
    )
    assert list(tree.alarms) == ["/D/A1", "/D/A2", "/D/B1", "/D/B2"]


def test_anchors_and_free_keys(tmp_path: Path) -> None:
    tree = good(tmp_path, tree="config: D\nx-call: &call [{title: Call, details: 4411}]\npvs: {A: {description: a, guidance: *call}}\n")
    assert tree.alarms["/D/A"].guidance == (TitledText("Call", "4411"),)


def test_places_name_file_and_line(tmp_path: Path) -> None:
    tree = good(tmp_path, tree="config: D\nsystems:\n  S:\n    include: s.yaml\n", s="# comment\npvs:\n  A: a\n")
    assert str(tree.places["/D/S"]) == f"{tmp_path}/tree.yaml:3"
    assert str(tree.places["/D/S/A"]) == f"{tmp_path}/s.yaml:3"


def test_a_directory_stands_for_its_tree_yaml(tmp_path: Path) -> None:
    write(tmp_path, tree="config: D\npvs: {A: a}\n")
    assert list(read_tree(tmp_path).alarms) == ["/D/A"]


def test_bom_and_windows_line_ends(tmp_path: Path) -> None:
    (tmp_path / "tree.yaml").write_bytes(b"\xef\xbb\xbfconfig: D\r\npvs:\r\n  A: a\r\n")
    assert list(read_tree(tmp_path).alarms) == ["/D/A"]


def test_what_is_good_survives_and_what_is_missing_is_named(tmp_path: Path) -> None:
    result = load(
        tmp_path,
        tree="""
        config: D
        systems:
          S:
            guidance: [{titel: x}, Call]
            pvs: {good: g, bad: {description: b, delay: soon}, "a b": x}
          T: {include: gone.yaml, pvs: {t: t}}
          U: {use: [{template: gone}], pvs: {u: u}}
        """,
    )
    assert result.tree is not None
    assert list(result.tree.alarms) == ["/D/S/good", "/D/T/t", "/D/U/u"]
    assert result.tree.nodes["/D/S"].guidance == (TitledText("Call", "Call"),)
    assert set(result.left_out) == {"/D/S/bad", "/D/S", "/D/T", "/D/U"}
    assert len(result.errors) == 5


def test_a_file_that_cannot_be_read_leaves_the_others_alone(tmp_path: Path) -> None:
    result = load(tmp_path, tree="config: D\nsystems: {A: {include: a.yaml}, B: {include: b.yaml}}\n", a="pvs: {a: [\n", b="pvs: {b: b}\n")
    assert result.tree is not None
    assert list(result.tree.alarms) == ["/D/B/b"]
    assert result.left_out == ("/D/A",)


def test_read_tree_raises_with_all_errors(tmp_path: Path) -> None:
    path = write(tmp_path, tree="config: D\npvs:\n  A: {description: a, delay: soon}\n  B: {description: b, count: many}\n")
    with pytest.raises(ConfigError) as raised:
        read_tree(path)
    assert str(raised.value).splitlines() == [
        "2 errors in the alarm tree:",
        f'{path}:3: /D/A: delay: "soon" is not a duration — expected whole seconds or a duration like 5s, 2min',
        f'{path}:4: /D/B: count: "many" is not a count — expected a whole number of alarms, 0 for off',
    ]


def test_warnings_alone_do_not_raise(tmp_path: Path) -> None:
    path = write(tmp_path, tree="config: D\npvs: {A: }\n")
    assert read_tree(path).alarms == {"/D/A": AlarmSettings(description="A")}
