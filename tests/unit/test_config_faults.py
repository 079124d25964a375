"""Every mistake gets one line that names file, line, path, value and what was expected."""

# ruff: noqa: E501 (a message is one line, here as for the user)

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from alarm_engine.config.fault import Faults, Spot, quoted
from alarm_engine.config.load import load_tree
from alarm_engine.model.times import from_datetime

DELAY = "expected whole seconds or a duration like 5s, 2min"
FLAG = "expected true or false"
DATE = "expected true, false or a date like 2040-01-02T03:04:05 (out of service until then)"
COUNT = "expected a whole number of alarms, 0 for off"
PV = "expected a PV name like SR01:GC1:Pressure"
COMPONENT = "expected a name like Vacuum or Sector 3"
ALARM_KEYS = "description, enabled, latching, annunciating, delay, count, filter, guidance, displays, commands, actions"
NODE_KEYS = "id, include, guidance, displays, commands, actions, defaults, pvs, systems, use"


def faults_of(directory: Path, text: str | bytes, **others: str) -> list[str]:
    data = text if isinstance(text, bytes) else text.encode()
    (directory / "tree.yaml").write_bytes(data)
    for name, other in others.items():
        (directory / f"{name}.yaml").write_text(other)
    result = load_tree(directory / "tree.yaml")
    prefix = f"{directory}{os.sep}"
    return [f"{fault.severity.value[0].upper()} {str(fault).replace(prefix, '')}" for fault in result.faults]


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("delay: soon", f'delay: "soon" is not a duration — {DELAY}'),
        ("delay: -5", f'delay: "-5" is negative — {DELAY}'),
        ("delay: 2.5", f'delay: "2.5" is no whole number — {DELAY}'),
        ("delay: 5m", f'delay: "5m" is ambiguous (min or ms?) — {DELAY}'),
        ("delay: 5s 1min", f'delay: "5s 1min" is not a duration — {DELAY}'),
        ("delay: 9999999999", 'delay: "9999999999" is too long — expected at most 2147483647 s'),
        ("delay: [5]", f"delay: a list is given — {DELAY}"),
        ("delay: ", f"delay: nothing is given — {DELAY}"),
        ("count: three", f'count: "three" is not a count — {COUNT}'),
        ("count: -1", f'count: "-1" is negative — {COUNT}'),
        ("count: 1.5", f'count: "1.5" is no whole number — {COUNT}'),
        ("latching: yes", f'latching: "yes" is neither true nor false; did you mean true? — {FLAG}'),
        ('latching: "false"', f'latching: "false" is neither true nor false; did you mean false, without quotes? — {FLAG}'),
        ("annunciating: 1", f'annunciating: "1" is neither true nor false — {FLAG}'),
        ("annunciating: {}", f"annunciating: a mapping is given — {FLAG}"),
        ("enabled: tomorrow", f'enabled: "tomorrow" is neither true, false nor a date — {DATE}'),
        ("enabled: off", f'enabled: "off" is neither true, false nor a date; did you mean false? — {DATE}'),
        ("enabled: 2040-02-30", f'enabled: "2040-02-30" is no date that exists (day is out of range for month) — {DATE}'),
        ("enabled: 1970-01-01", 'enabled: "1970-01-01" is no date an alarm can wait for — expected a year from 1971 to 2099'),
        ("enabled: 2600-01-01", 'enabled: "2600-01-01" is no date an alarm can wait for — expected a year from 1971 to 2099'),
        (
            "enabled: 2040-03-25T02:30:00",
            'enabled: "2040-03-25T02:30:00" does not exist in Europe/Berlin: clocks are put forward over it'
            " — expected another time, or one with an offset like +01:00",
        ),
        ("filter: \"('A' > 1\"", "filter: \"('A' > 1\" has parentheses that do not match — expected a formula like 'Pump1:Run' == 1"),
        ('filter: "\'A > 1"', "filter: \"'A > 1\" has a ' without its end — expected a formula like 'Pump1:Run' == 1"),
        ('guidance: ["\\e[2J"]', 'guidance[1]: "\\u001b[2J" holds control characters — expected readable text'),
        ("guidance: [{}]", "guidance[1]: is empty — expected title and details, or a short text"),
        ("guidance: [[x]]", "guidance[1]: a list is given — expected a mapping with title, details"),
        ("displays: [{detail: x}]", 'displays[1]: "detail" is an unknown key; did you mean details? — expected one of title, details'),
        ("actions: [{details: 'cmd:x', delay: soon}]", f'actions[1].delay: "soon" is not a duration — {DELAY}'),
        ("dealy: 5", f'"dealy" is an unknown key; did you mean delay? — expected one of {ALARM_KEYS}'),
        ("zzz: 5", f'"zzz" is an unknown key — expected one of {ALARM_KEYS}'),
        ("delay: 1\n    delay: 2", '"delay" is given twice, first in line 5 — expected each key once'),
    ],
)
def test_fields_of_an_alarm(tmp_path: Path, field: str, message: str) -> None:
    text = f"config: D\ntime_zone: Europe/Berlin\npvs:\n  A:\n    {field}\n    description: a\n"
    line = 6 if "\n" in field else 5
    assert faults_of(tmp_path, text) == [f"E tree.yaml:{line}: /D/A: {message}"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ('""', f'"" is an empty name — {PV}'),
        ("~", f'"~" is an empty name — {PV}'),
        ('"  "', f'"  " is an empty name — {PV}'),
        ("A B", f'"A B" has a blank in a PV name — {PV}'),
        ('" A"', f'" A" has blanks around the name — {PV}'),
        ('"A\\u00a0B"', f'"A\\u00a0B" has control or invisible characters in the name — {PV}'),
        ('"A\\nB"', f'"A\\nB" has control or invisible characters in the name — {PV}'),
        ('"A\\x07"', f'"A\\u0007" has control or invisible characters in the name — {PV}'),
        ("/A", f'"/A" begins with a slash, which paths drop — {PV}'),
        ("A\\", f'"A\\" ends with a backslash, which no path can hold — {PV}'),
        ("sim:\\/\\/sine", '"sim:\\/\\/sine" is escaped as in a path — expected the name itself: sim://sine'),
        ("A$(N)", f'"A$(N)" holds a macro outside of a template — {PV}'),
        ("A" * 201, f'"{"A" * 59}…" has 201 characters in the name — expected at most 200'),
    ],
)
def test_pv_names(tmp_path: Path, name: str, message: str) -> None:
    assert faults_of(tmp_path, f"config: D\npvs:\n  {name}: x\n  good: g\n") == [f"E tree.yaml:3: /D: pvs: {message}"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ('""', f'"" is an empty name — {COMPONENT}'),
        ('"Va\\tcuum"', f'"Va\\tcuum" has control or invisible characters in the name — {COMPONENT}'),
        ("Vac\\", f'"Vac\\" ends with a backslash, which no path can hold — {COMPONENT}'),
        ("/Vac", f'"/Vac" begins with a slash, which paths drop — {COMPONENT}'),
    ],
)
def test_component_names(tmp_path: Path, name: str, message: str) -> None:
    assert faults_of(tmp_path, f"config: D\nsystems:\n  {name}: {{}}\n") == [f"E tree.yaml:3: /D: systems: {message}"]


def test_names_that_differ_only_in_escaping(tmp_path: Path) -> None:
    assert faults_of(tmp_path, "config: D\npvs:\n  sim://sine: a\n  sim:\\/\\/sine: b\n  'sim://sine': c\n") == [
        'E tree.yaml:4: /D: pvs: "sim:\\/\\/sine" is escaped as in a path — expected the name itself: sim://sine',
        "E tree.yaml:5: /D/sim:\\/\\/sine: is defined twice, first at tree.yaml:3 — expected each path once in the tree",
    ]


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        ("", ["E tree.yaml: is empty — expected config: NAME and systems: ..."]),
        ("# nothing\n", ["E tree.yaml: is empty — expected config: NAME and systems: ..."]),
        ("- a\n", ["E tree.yaml:1: holds no mapping — expected config: NAME and systems: ..."]),
        ("just text", ["E tree.yaml:1: holds no mapping — expected config: NAME and systems: ..."]),
        ("systems: {}\n", ["E tree.yaml:1: config: is missing — expected config: NAME, the name of the configuration"]),
        (
            "config: My Tree\n",
            [
                'E tree.yaml:1: config: "My Tree" cannot be the name of a Kafka topic'
                " — expected 1 to 200 letters, digits, dots, underscores and hyphens"
            ],
        ),
        (
            "config: D\ntime_zone: Europe/Berln\n",
            [
                'E tree.yaml:2: time_zone: "Europe/Berln" is no time zone; did you mean Europe/Berlin?'
                " — expected an IANA name like Europe/Berlin or UTC"
            ],
        ),
        ("config: D\npvs:\n  A: @a\n", ["E tree.yaml:3: is no YAML: while scanning for the next token, found character that cannot start any token"]),
        ("config: D\npvs:\n\tA: a\n", ["E tree.yaml:3: is no YAML: while scanning for the next token, found character that cannot start any token; a tab cannot indent"]),
        ("config: D\npvs: {A: [}\n", ["E tree.yaml:2: is no YAML: while parsing a flow node, did not find expected node content"]),
        (b"config: D\npvs:\n  A: K\xfchler\n", ["E tree.yaml:3: byte 0xFC is not UTF-8 — expected a text file saved as UTF-8"]),
        (
            "config: D\npvs:\n  A: bell \x07\n",
            ['E tree.yaml:3: control character U+0007 in the text — expected readable text (in double quotes write "\\x07")'],
        ),
        ("config: D\n---\nconfig: E\n", ["E tree.yaml:2: a second document begins (---) — expected one document in a file"]),
        (
            "config: D\npvs: {A: !!python/object:os.system x}\n",
            ['E tree.yaml:2: "tag:yaml.org,2002:python/object:os.system" is a tag; an alarm tree has none — expected a plain or quoted text'],
        ),
        (
            "config: D\npvs: {A: *b}\n",
            ['E tree.yaml:2: "*b" names no anchor above it — expected an anchor &b that ends above', "W tree.yaml:2: /D/A: has no description; the name of the PV will be spoken — expected what an operator should hear"],
        ),
        (
            "config: D\nx-a: &a {guidance: g}\nsystems: {S: {<<: *a}}\n",
            ['E tree.yaml:3: "<<" is a merge key, which is no part of YAML 1.2 — expected `defaults` or a template'],
        ),
        ("config: D\n? [a]\n: b\n", ["E tree.yaml:2: a key is a list or mapping — expected a text as key (quote one that begins with [ or {)"]),
        ("config: D\npvs: [A]\n", ["E tree.yaml:2: /D: pvs: a list is given — expected names of PVs with their fields"]),
        ("config: D\nsystems: A\n", ['E tree.yaml:2: /D: systems: "A" is a text — expected names of components with their content']),
        ("config: D\nsystems: {A: b}\n", [f'E tree.yaml:2: /D/A: "b" is a text — expected a mapping with {NODE_KEYS}']),
        ("config: D\nuse: {template: a}\n", ["E tree.yaml:2: /D: use: a mapping is given — expected a list of templates"]),
        (
            "config: D\nsystems:\n  S: {systms: {}, delay: 5, description: d, templates: {}, config: E}\n",
            [
                f'E tree.yaml:3: /D/S: "systms" is an unknown key; did you mean systems? — expected one of {NODE_KEYS}',
                f'E tree.yaml:3: /D/S: "delay" is an unknown key; for all alarms below put it under `defaults` — expected one of {NODE_KEYS}',
                f'E tree.yaml:3: /D/S: "description" is an unknown key; a component has no description, put it into `guidance` — expected one of {NODE_KEYS}',
                f'E tree.yaml:3: /D/S: "templates" is an unknown key; it stands at the top of a file — expected one of {NODE_KEYS}',
                f'E tree.yaml:3: /D/S: "config" is an unknown key; it stands at the top of the first file — expected one of {NODE_KEYS}',
            ],
        ),
        (
            "config: D\nsystems:\n  S: {}\n  S: {}\n",
            ['E tree.yaml:4: /D: systems: "S" is given twice, first in line 3 — expected each component once in a list'],
        ),
        (
            "config: D\npvs: {S: s}\nsystems: {S: {}}\n",
            ["E tree.yaml:3: /D/S: is also the name of an alarm, at tree.yaml:2 — expected each path once in the tree"],
        ),
    ],
)  # fmt: skip
def test_the_text_and_its_form(tmp_path: Path, text: str | bytes, messages: list[str]) -> None:
    assert faults_of(tmp_path, text) == messages


def test_a_missing_file(tmp_path: Path) -> None:
    result = load_tree(tmp_path / "none.yaml")
    assert result.tree is None
    assert [str(f) for f in result.faults] == [f"{tmp_path}/none.yaml: does not exist — expected the first file of an alarm tree"]


def test_duplicate_paths_name_both_places(tmp_path: Path) -> None:
    assert faults_of(tmp_path, "config: D\ninclude: [a.yaml, b.yaml]\n", a="pvs:\n  P: p\n", b="pvs:\n\n  P: p\n") == [
        "E b.yaml:3: /D/P: is defined twice, first at a.yaml:2 — expected each path once in the tree"
    ]


def test_settings_of_a_component_stand_in_one_place(tmp_path: Path) -> None:
    text = "config: D\nsystems: {S: {guidance: one, include: a.yaml}}\n"
    assert faults_of(tmp_path, text, a="\nguidance: two\n") == [
        "E a.yaml:2: /D/S: guidance: is given differently at tree.yaml:2 — expected one place for it among the files and templates of a component"
    ]


def test_the_same_pv_in_two_places_is_a_warning(tmp_path: Path) -> None:
    text = "config: D\nsystems:\n  A: {pvs: {P: p}}\n  B: {pvs: {'ca://P': p}}\n"
    assert faults_of(tmp_path, text) == [
        "W tree.yaml:4: /D/B/ca:\\/\\/P: watches the same PV as /D/A/P at tree.yaml:3 — expected one alarm for a PV, unless both places need it"
    ]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("P: ", "has no description; the name of the PV will be spoken — expected what an operator should hear"),
        ("P: {description: p, delay: 2h}", 'delay: "2h" is more than an hour; was it meant in seconds?'),
        ("P: {description: p, count: 3}", "count: has no effect without a delay — expected a delay in which the alarms are counted"),
        (
            "P: {description: p, displays: [{title: t}]}",
            "displays[1]: has no details, so there is nothing to open or run — expected details",
        ),
        (
            "P: {description: p, actions: 'mail:x'}",
            'actions[1]: "mail:x" does not begin with mailto:, cmd:, sevrpv:, infopv:; did you mean mailto?',
        ),
        ("P: {description: p, actions: 'cmd:'}", 'actions[1]: "cmd:" names nothing after the colon'),
    ],
)
def test_warnings(tmp_path: Path, entry: str, message: str) -> None:
    assert faults_of(tmp_path, f"config: D\npvs:\n  {entry}\n") == [f"W tree.yaml:3: /D/P: {message}"]


def test_an_unknown_protocol_is_a_warning(tmp_path: Path) -> None:
    assert faults_of(tmp_path, "config: D\npvs: {pav://P: p}\n") == [
        'W tree.yaml:2: /D/pav:\\/\\/P: "pav://P" begins with an unknown protocol; did you mean pva?'
    ]


def test_a_date_that_has_passed_is_a_warning_for_who_knows_the_time(tmp_path: Path) -> None:
    (tmp_path / "tree.yaml").write_text(
        "config: D\npvs: {P: {description: p, enabled: 2020-01-01}, Q: {description: q, enabled: 2040-01-01}}\n"
    )
    now = from_datetime(datetime(2026, 1, 1, tzinfo=UTC))
    assert [str(f).split("tree.yaml")[1] for f in load_tree(tmp_path, now=now).faults] == [
        ':2: /D/P: enabled: "2020-01-01T00:00:00.000Z" has passed, so the alarm is in service; the entry can go'
    ]
    assert load_tree(tmp_path).faults == ()


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("gone.yaml", '"gone.yaml" does not exist — expected a file below the directory of the tree'),
        ("/etc/passwd", '"/etc/passwd" is an absolute path, which works on one machine only — expected a path relative to this file'),
        ("link.yaml", '"link.yaml" leaves the directory of the tree (BASE), which is reviewed and shipped as one — expected a file below the directory of the tree'),
        ("../outside.yaml", '"../outside.yaml" leaves the directory of the tree (BASE), which is reviewed and shipped as one — expected a file below the directory of the tree'),
        ("sub", '"sub" is a directory — expected a file below the directory of the tree'),
        ("fifo", '"fifo" is no regular file — expected a file below the directory of the tree'),
        ("loop.yaml", '"loop.yaml" cannot be read: '),
        ("a\\0b", '"a\\u0000b" holds control characters — expected readable text'),
        ("", '"" names no file — expected a file below the directory of the tree'),
    ],
)  # fmt: skip
def test_includes_that_cannot_be_had(tmp_path: Path, target: str, message: str) -> None:
    base = tmp_path / "tree"
    (base / "sub").mkdir(parents=True)
    (tmp_path / "outside.yaml").write_text("pvs: {secret: s}\n")
    (base / "link.yaml").symlink_to(tmp_path / "outside.yaml")
    (base / "loop.yaml").symlink_to(base / "loop.yaml")
    os.mkfifo(base / "fifo")
    (found,) = faults_of(base, f'config: D\nsystems: {{S: {{include: "{target}"}}}}\n')
    assert found.startswith(f"E tree.yaml:2: /D/S: include: {message.replace('BASE', str(base))}")


def test_a_circle_of_includes(tmp_path: Path) -> None:
    others = {"a": "systems: {B: {include: b.yaml}}\n", "b": "pvs: {b: b}\ninclude: a.yaml\n"}
    assert faults_of(tmp_path, "config: D\nsystems: {A: {include: a.yaml}}\n", **others) == [
        'E b.yaml:2: /D/A/B: include: "a.yaml" closes a circle: a.yaml is being included already — expected a file that does not lead back here'
    ]


def test_an_empty_include_is_a_warning(tmp_path: Path) -> None:
    found = faults_of(tmp_path, "config: D\nsystems: {A: {include: a.yaml}}\n", a="# later\n")
    assert [line.startswith("W tree.yaml:2: /D/A: include:") and "is an empty file" in line for line in found] == [True]


TEMPLATE = "templates:\n  cav:\n    macros: {N: number, Q: {default: 1}}\n    pvs: {'C$(N):$(Q)': c}\n"


@pytest.mark.parametrize(
    ("use", "message"),
    [
        ("{template: cv, macros: {N: 1}}", 'use.template: "cv" is no template of this tree; did you mean cav? — expected cav'),
        ("{macros: {N: 1}}", "use: names no template — expected template: NAME"),
        ("{template: cav}", "use: gives no value to the macro N of template cav — expected N, Q"),
        ("{template: cav, macros: {N: 1, QQ: 2}}", 'use: "QQ" is no macro of template cav; did you mean Q? — expected N, Q'),
        ("{template: cav, each: [{N: 1}, {Q: 2}]}", "use: gives no value to the macro N of template cav — expected N, Q"),
        ("{template: cav, each: {N: 5..1}}", 'use.each.N: "5..1" is no range — expected a list, or a range like 1..12 (01..12 keeps the zeros)'),
        ("{template: cav, each: {N: 1..99999999}}", 'use.each.N: "1..99999999" makes more than 1000000 instances — expected a tree that a person can read'),
        ("{template: cav, macros: {N: 1, N: 2}}", 'use.macros: "N" is given twice — expected each macro once'),
        ("{template: cav, macros: [N]}", "use.macros: a list is given — expected names of macros with their values"),
        ("{template: cav, macros: {N: [1]}}", "use.macros.N: a list is given — expected a text"),
        ("{template: cav, macro: {N: 1}}", 'use: "macro" is an unknown key; did you mean macros? — expected one of template, macros, each'),
        ("cav", 'use: "cav" is a text — expected a mapping with template, macros, each'),
        ("{template: cav, macros: {N: a b}}", "used"),
    ],
)  # fmt: skip
def test_uses_of_templates(tmp_path: Path, use: str, message: str) -> None:
    found = faults_of(tmp_path, f"config: D\nuse:\n  - {use}\n{TEMPLATE}")
    if message == "used":
        assert found == [f'E tree.yaml:7: /D: pvs: "Ca b:1" has a blank in a PV name — {PV} (used at tree.yaml:3)']
    else:
        assert found == [f"E tree.yaml:3: /D: {message}"]


@pytest.mark.parametrize(
    ("body", "messages"),
    [
        ("{macros: {N: n}, pvs: {A: a}}", ['W tree.yaml:3: templates.t.macros: "N" is a macro that the template does not use']),
        (
            "{macros: {NUM: n}, pvs: {A$(NUM): a, B$(NUN): b}}",
            [
                'E tree.yaml:3: templates.t: "B$(NUN)" has the macro NUN, which the template does not name; did you mean NUM?'
                " — expected NUN under `macros` of the template, or $$(NUN) to leave it alone"
            ],
        ),
        (
            "{macros: {N: n}, pvs: {'A${N}': '$(N=1)'}}",
            ['E tree.yaml:3: templates.t: "$(N=1)" has $(N=1), which is no macro — expected $(NAME) or ${NAME}; $$( for a plain $(']
        ),
        ("{macros: {N: n}, pvs: {A$(N): {delay: soon}}}", [f'E tree.yaml:3: templates.t: delay: "soon" is not a duration — {DELAY}']),
        ("{pv: {}}", ['E tree.yaml:3: templates.t: "pv" is an unknown key; did you mean pvs? — expected one of macros, defaults, pvs, systems, use']),
        ("[x]", ["E tree.yaml:3: templates.t: a list is given — expected a mapping with macros, defaults, pvs, systems, use"]),
        ("{macros: {1N: n}}", ['E tree.yaml:3: templates.t.macros: "1N" is no name of a macro — expected letters, digits and underscores',
                               'W tree.yaml:3: templates.t.macros: "1N" is a macro that the template does not use']),
        (
            "{systems: {S: {include: x.yaml}}}",
            ["E tree.yaml:3: templates.t: include: stands in a template — expected the content itself; an include cannot depend on macros"],
        ),
        ("{use: [{template: t}]}", ["E tree.yaml:3: templates.t: use: closes a circle of templates: t -> t — expected templates that do not lead back"]),
    ],
)  # fmt: skip
def test_templates_are_checked_though_nobody_uses_them(tmp_path: Path, body: str, messages: list[str]) -> None:
    assert faults_of(tmp_path, f"config: D\ntemplates:\n  t: {body}\n") == messages


def test_a_mistake_in_a_template_is_told_once(tmp_path: Path) -> None:
    text = (
        "config: D\nuse: [{template: t, each: {N: 1..50}}]\ntemplates: {t: {macros: {N: n}, pvs: {A$(N): {description: a, delay: soon}}}}\n"
    )
    assert faults_of(tmp_path, text) == [f'E tree.yaml:3: /D/A1: delay: "soon" is not a duration — {DELAY} (used at tree.yaml:2)']


def test_a_template_with_two_definitions(tmp_path: Path) -> None:
    text = "config: D\ninclude: a.yaml\nuse: [{template: t}]\ntemplates: {t: {pvs: {A: a}}}\n"
    assert faults_of(tmp_path, text, a="templates: {t: {pvs: {B: b}}}\n") == [
        'E a.yaml:1: templates: "t" is defined twice, first at tree.yaml:4 — expected each name once in the tree'
    ]


def test_all_faults_come_at_once_in_the_order_of_the_files(tmp_path: Path) -> None:
    entries = "".join(f"  P{n}: {{description: p, delay: x{n}}}\n" for n in range(500))
    found = faults_of(tmp_path, f"config: Not good\nsystems: {{S: {{include: s.yaml}}}}\npvs:\n{entries}", s="pvs: {A B: c}\n")
    assert len(found) == 502
    assert [line.split(": ")[0] for line in found[:3]] == ["E s.yaml:1", "E tree.yaml:1", "E tree.yaml:4"]


def test_a_flood_of_warnings_hides_no_error() -> None:
    faults = Faults(most=3)
    for n in range(10):
        faults.warning(Spot("f", n), "odd")
    faults.error(Spot("f", 20), "bad")
    assert [str(fault) for fault in faults.result()] == [
        "f:0: odd",
        "f:1: odd",
        "f:2: odd",
        "f:20: bad",
        "f: 7 more warnings are not listed",
    ]


def test_values_are_shown_short_and_harmless() -> None:
    assert quoted("a" * 100) == '"' + "a" * 59 + "…" + '"'
    assert quoted("\x1b[31m\n") == '"\\u001b[31m\\n"'
    assert quoted("K\u00fchler") == '"Kühler"'
