"""What `to_yaml` writes loads back to an equal tree."""

import tempfile
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from alarm_engine.config.load import read_tree
from alarm_engine.config.tree import ConfigTree, arrange, below
from alarm_engine.config.write import scalar, to_yaml
from alarm_engine.model import path as paths
from alarm_engine.model.settings import Action, AlarmSettings, NodeSettings, TitledText
from alarm_engine.model.times import LATEST, Nanos

CONTROL = st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"], include_characters="\n\t")
ODD_TEXTS = [
    "null",
    "~",
    "yes",
    "0x10",
    "1e3",
    "2040-01-02",
    "-",
    "#a",
    "a:",
    "*a",
    "&a",
    "!a",
    "%a",
    "@a",
    "`a",
    "'",
    '"',
    "\\",
    "|",
    ">",
    "$(N)",
    "---",
    "...",
]
ODD_LINES = ["", " ", "a: b", "a #b", "- a"]
ODD_BREAKS = ["a\nb", "a\n", "\na", "a\n\nb\n", "a \nb", "a\n b", " a\nb", "a\n\n", "\n", "\t", "a\tb\n\tc"]
TEXTS = st.text(CONTROL, max_size=40) | st.sampled_from([*ODD_TEXTS, *ODD_LINES, *ODD_BREAKS, "a\u2028b", "\ufeffa", "a\xa0\nb"])
ODD_NAMES = [*["null", "yes", "1", "1.5", "<<", "x-a", "sim://sine", "a//b", "#a", "[a]", "{a}", "'", '"', "-", "?", "=x", "²"], "9" * 200]
NAMES = (
    st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), min_size=1, max_size=20) | st.sampled_from(ODD_NAMES)
).filter(lambda n: not n.startswith("/") and not n.endswith("\\") and not any(s in n for s in ("\\/", "$(", "${")))
COMPONENT_NAMES = st.sampled_from(["a: b", "a #b", "- a"]) | NAMES | st.tuples(NAMES, NAMES).map(" ".join).filter(lambda n: len(n) <= 200)
ENTRIES = st.lists(st.builds(TitledText, TEXTS, TEXTS), max_size=2).map(tuple)
LISTS = {
    "guidance": ENTRIES,
    "displays": ENTRIES,
    "commands": ENTRIES,
    "actions": st.lists(st.builds(Action, TEXTS, TEXTS, st.integers(0, 2**31 - 1)), max_size=2).map(tuple),
}
NODES = st.builds(NodeSettings, **LISTS)
MOMENTS = st.integers(63_072_000 * 10**9, LATEST).map(Nanos)
ENABLED = st.just((True, None)) | st.just((False, None)) | MOMENTS.map(lambda t: (False, t))
ALARMS = st.builds(
    lambda on, **rest: AlarmSettings(enabled=on[0], enabled_at=on[1], **rest),
    ENABLED,
    description=TEXTS,
    latching=st.booleans(),
    annunciating=st.booleans(),
    delay_s=st.integers(0, 2**31 - 1),
    count=st.integers(0, 2**31 - 1),
    filter=st.sampled_from(["", "'A B' > 1", '"x" == `y`', "!(a & b)", "a ? 1 : 2"]),
    **LISTS,
)


@st.composite
def trees(draw: st.DrawFn) -> ConfigTree:
    name = draw(st.from_regex(r"[a-zA-Z0-9_-][a-zA-Z0-9._-]{0,8}", fullmatch=True))
    root = paths.join(None, name)
    nodes = {root: draw(NODES)}
    for element in draw(st.lists(COMPONENT_NAMES, max_size=4)):
        nodes[paths.join(draw(st.sampled_from(sorted(nodes))), element)] = draw(NODES)
    alarms = {}
    for element in draw(st.lists(NAMES, max_size=4)):
        path = paths.join(draw(st.sampled_from(sorted(nodes))), element)
        if path not in nodes:
            alarms[path] = draw(ALARMS)
    zone = draw(st.sampled_from(["UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kathmandu"]))
    return arrange(name, zone, nodes, alarms)


@given(trees())
@settings(max_examples=150, deadline=None)
def test_round_trip(tree: ConfigTree) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "tree.yaml")
        path.write_text(to_yaml(tree), encoding="utf-8")
        again = read_tree(path)
    assert again == tree
    assert list(again.alarms) == list(tree.alarms)
    assert list(again.nodes) == list(tree.nodes)
    assert to_yaml(again) == to_yaml(tree)


@given(TEXTS)
@settings(max_examples=300, deadline=None)
def test_other_readers_see_the_same_texts(text: str) -> None:
    assert yaml.safe_load(f"a:\n  k: {scalar(text, '  ')}\n") == {"a": {"k": text}}


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("Pump 1 flow low", "Pump 1 flow low"),
        ("Call 4411, then wait", "Call 4411, then wait"),
        ("4411", '"4411"'),
        ("no", '"no"'),
        ("a: b", '"a: b"'),
        ("Kühler\x85", '"Kühler\\u0085"'),
        ("First\n\nsecond\n", "|\n    First\n\n    second"),
        ("First\nsecond", "|-\n    First\n    second"),
        ("First \nsecond", '"First \\nsecond"'),
    ],
)
def test_texts_are_written_for_people(text: str, written: str) -> None:
    assert scalar(text, "  ") == written


def test_the_canonical_form() -> None:
    tree = arrange(
        "Demo",
        "Europe/Berlin",
        {"/Demo/S": NodeSettings(guidance=(TitledText("Who", "Call\n4411\n"),))},
        {
            "/Demo/S/P10": AlarmSettings("ten"),
            "/Demo/S/P9": AlarmSettings("nine", False, Nanos(2_224_980_000 * 10**9), delay_s=5, actions=(Action("m", "cmd:x", 2),)),
            "/Demo/E/F/sim:\\/\\/sine": AlarmSettings(""),
        },
    )
    assert to_yaml(tree) == (
        "config: Demo\n"
        "time_zone: Europe/Berlin\n"
        "systems:\n"
        "  E:\n"
        "    systems:\n"
        "      F:\n"
        "        pvs:\n"
        '          sim://sine: ""\n'
        "  S:\n"
        "    guidance:\n"
        "      - title: Who\n"
        "        details: |\n"
        "          Call\n"
        "          4411\n"
        "    pvs:\n"
        "      P9:\n"
        "        description: nine\n"
        "        enabled: 2040-07-04T04:00:00+02:00\n"
        "        delay: 5\n"
        "        actions:\n"
        "          - title: m\n"
        "            details: cmd:x\n"
        "            delay: 2\n"
        "      P10: ten\n"
    )


def test_a_part_of_a_tree() -> None:
    alarms = {path: AlarmSettings("x") for path in ("/D/A/p", "/D/AB/p", "/D/A/B/p", "/D/p")}
    tree = arrange("D", "UTC", {"/D": NodeSettings(guidance=(TitledText("g", "g"),))}, alarms)
    part = below(tree, "//D/A")
    assert list(part.alarms) == ["/D/A/B/p", "/D/A/p"]
    assert list(part.nodes) == ["/D", "/D/A", "/D/A/B"]
    assert below(tree, "/D/AB/p").alarms == {"/D/AB/p": AlarmSettings("x")}
    assert below(tree, "/D") == tree
    with pytest.raises(KeyError):
        below(tree, "/D/C")
