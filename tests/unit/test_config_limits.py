"""No file can eat the machine: bombs are refused before they go off. A bomb that did would run into the time-out of the test."""

import gc
import tracemalloc
from pathlib import Path

import pytest

from alarm_engine.config.files import Limits
from alarm_engine.config.load import LoadResult, load_tree
from alarm_engine.config.yaml_nodes import TextLimits, Unreadable, parse

SMALL = Limits(file_bytes=100_000, total_bytes=150_000, text=TextLimits(depth=20, nodes=2000), entries=500, levels=10)


def load(directory: Path, text: str, limits: Limits | None = SMALL, **others: str) -> LoadResult:
    (directory / "tree.yaml").write_text(text)
    for name, other in others.items():
        (directory / f"{name}.yaml").write_text(other)
    return load_tree(directory, limits=limits)


def errors(result: LoadResult) -> list[str]:
    return [fault.message.partition(" — ")[0] for fault in result.errors]


def test_a_billion_laughs(tmp_path: Path) -> None:
    levels = [f"x-{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]\n" for n in range(1, 30)]
    result = load(tmp_path, "config: D\nx-0: &l0 [lol]\n" + "".join(levels), limits=None)
    assert errors(result) == ["holds more than 4000000 entries (aliases counted as what they stand for)"]
    assert result.tree is None


def test_a_bomb_of_components(tmp_path: Path) -> None:
    levels = [f"x-{n}: &l{n} {{systems: {{A: *l{n - 1}, B: *l{n - 1}}}}}\n" for n in range(1, 15)]
    result = load(tmp_path, "config: D\nx-0: &l0 {pvs: {P: p}}\n" + "".join(levels) + "systems: {S: *l14}\n")
    assert errors(result) == ["holds more than 2000 entries (aliases counted as what they stand for)"]


def test_an_alias_inside_of_what_it_names(tmp_path: Path) -> None:
    result = load(tmp_path, "config: D\nsystems: &s {A: {systems: *s}, B: {pvs: {P: p}}}\n")
    assert errors(result)[0] == '"*s" stands inside what it names'
    assert result.tree is not None
    assert list(result.tree.alarms) == ["/D/B/P"]


@pytest.mark.parametrize("text", ["[" * 1_000_000, "{a: " * 1_000_000, "- " * 500_000])
def test_endless_nesting(text: str) -> None:
    with pytest.raises(Unreadable, match=r"nested deeper than 60 levels|maximum nesting depth"):
        parse(text.encode())


def test_deep_nesting_is_refused_with_its_line(tmp_path: Path) -> None:
    text = "config: D\n" + "".join(f"{'  ' * n}systems:\n{'  ' * n} S{n}:\n" for n in range(40))
    assert errors(load(tmp_path, text)) == ["is nested deeper than 20 levels"]


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "tree.yaml").open("wb") as stream:
        stream.truncate(10_000_000_000)
    tracemalloc.start()
    try:
        result = load_tree(tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 200_000_000
    finally:
        tracemalloc.stop()
    assert errors(result) == ["is larger than 64000000 bytes"]


def test_many_files_that_are_huge_together(tmp_path: Path) -> None:
    pad = "#" * 80_000 + "\n"
    result = load(tmp_path, "config: D\ninclude: [a.yaml, b.yaml]\n", a=pad + "pvs: {A: a}\n", b=pad + "pvs: {B: b}\n")
    assert errors(result) == ['"b.yaml" makes the files larger than 150000 bytes together']
    assert result.tree is not None
    assert list(result.tree.alarms) == ["/D/A"]


@pytest.mark.parametrize(
    "content", ["include: [{0}.yaml, {0}.yaml]\n", "systems: {{A: {{include: {0}.yaml}}, B: {{include: {0}.yaml}}}}\n"]
)
def test_includes_that_multiply(tmp_path: Path, content: str) -> None:
    limits = Limits(entries=500, levels=100)
    files = {f"f{n}": content.format(f"f{n + 1}") for n in range(40)} | {"f40": "pvs: {}\n"}
    result = load(tmp_path, "config: D\ninclude: f0.yaml\n", limits, **files)
    assert errors(result) == ["is one more than the 500 alarms, components, includes and templates that a tree may have"]
    assert result.left_out == ("/D",)


def test_templates_that_multiply(tmp_path: Path) -> None:
    templates = [f"  t{n}: {{use: [{{template: t{n + 1}}}, {{template: t{n + 1}}}]}}\n" for n in range(30)]
    text = "config: D\nuse: [{template: t0}]\ntemplates:\n" + "".join(templates) + "  t30: {pvs: {}}\n"
    result = load(tmp_path, text, Limits(entries=500))
    assert "is one more than the 500 alarms, components, includes and templates that a tree may have" in errors(result)


def test_macros_that_double(tmp_path: Path) -> None:
    templates = [f"  t{n}: {{macros: {{A: a}}, use: [{{template: t{n + 1}, macros: {{A: $(A)$(A)}}}}]}}\n" for n in range(40)]
    text = (
        "config: D\nuse: [{template: t0, macros: {A: xx}}]\ntemplates:\n"
        + "".join(templates)
        + "  t40: {macros: {A: a}, pvs: {P$(A): p}}\n"
    )
    assert "has 256 characters" in errors(load(tmp_path, text, None))


def test_a_range_without_end(tmp_path: Path) -> None:
    use = "use: [{template: t, each: {A: 1..900, B: 1..900, C: 1..900}}]\n"
    text = f"config: D\n{use}templates: {{t: {{macros: {{A: , B: , C: }}, pvs: {{P$(A)$(B)$(C): p}}}}}}\n"
    assert "makes more than 1000000 instances" in errors(load(tmp_path, text, Limits()))


def test_includes_nested_without_end(tmp_path: Path) -> None:
    files = {f"f{n}": f"include: f{n + 1}.yaml\n" for n in range(300)} | {"f300": "pvs: {}\n"}
    result = load(tmp_path, "config: D\ninclude: f0.yaml\n", None, **files)
    assert errors(result) == ["lies deeper than 60 components, includes and templates within each other"]


def test_long_texts_and_lists(tmp_path: Path) -> None:
    result = load(tmp_path, f"config: D\npvs:\n  A: {'x' * 10_001}\n  B: {{description: b, guidance: [{', '.join(['g'] * 101)}]}}\n", None)
    assert errors(result) == [f'"{"x" * 59}…" has 10001 characters', "has 101 entries"]


def test_as_many_faults_as_there_are_lines(tmp_path: Path) -> None:
    text = "config: D\npvs:\n" + "".join(f"  P{n}: {{description: p, dealy{n}: 1}}\n" for n in range(12_000))
    result = load(tmp_path, text, None)
    assert len(result.errors) == 10_001
    assert result.faults[-1].problem == "2000 more errors are not listed"
    assert len(result.left_out) == 12_000


@pytest.mark.parametrize("on", [True, False])
def test_the_garbage_collector_is_left_as_it_was(tmp_path: Path, on: bool) -> None:
    before = gc.isenabled()
    try:
        (gc.enable if on else gc.disable)()
        load(tmp_path, "config: D\npvs: {A: [}\n")
        assert gc.isenabled() is on
    finally:
        (gc.enable if before else gc.disable)()
