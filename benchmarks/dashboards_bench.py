"""All dashboards of 2,000 components and 100,000 PVs, beside writing the same content as JSON by Python's own encoder.

Components beyond the bound have no dashboard of their own: they are counted, and a tree of ten times as many components is built too.
"""

from __future__ import annotations

import gc
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from alarm_engine.config.tree import ConfigTree, arrange
from alarm_engine.config.write import to_yaml
from alarm_engine.model.settings import AlarmSettings
from benchmarks.figures import Figure, aim
from dashboards.build import MAX_COMPONENTS, BuildOptions, build, write
from dashboards.check import check
from dashboards.kit.targets import Kind

SYSTEMS, COMPONENTS, ALARMS = 40, 49, 51
AIM_S = 10

T = TypeVar("T")


def _tree(systems: int, components: int, alarms: int) -> ConfigTree:
    """Systems, each with one alarm of its own and components in it that have the others."""
    paths = [f"/Large/System {s}/S{s}" for s in range(systems)]
    paths += [f"/Large/System {s}/Unit {c}/S{s}:U{c}:V{n}" for s in range(systems) for c in range(components) for n in range(alarms)]
    return arrange("Large", "UTC", {}, {path: AlarmSettings("Signal") for path in paths})


def _timed(do: Callable[[], T], times: int = 1) -> tuple[float, T]:
    taken = []
    for _ in range(times):
        gc.collect()
        start = time.perf_counter()
        found = do()
        taken.append(time.perf_counter() - start)
    return min(taken), found


def _command(tree: ConfigTree, folder: Path) -> None:
    """`tocsin dashboards build`, a process of its own that reads the tree from its file, checks and writes."""
    (folder / "tocsin.yaml").write_text("configurations: [{tree: tree.yaml}]\ndashboards: {depth: 2}\n")
    (folder / "tree.yaml").write_text(to_yaml(tree))
    arguments = ["dashboards", "build", folder / "tree.yaml", "--out", folder / "out", "--settings", folder / "tocsin.yaml"]
    subprocess.run([sys.executable, "-m", "tocsin", *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)


def _cpu_of_children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run() -> list[Figure]:
    """Wall time on one core, best of three where it is short."""
    tree, options = _tree(SYSTEMS, COMPONENTS, ALARMS), BuildOptions(depth=2)
    components, pvs = len(tree.nodes) - 1, len(tree.alarms)
    built_s, files = _timed(lambda: build([tree], options), 3)
    content = [json.loads(one) for one in files.values()]
    bare_s, _ = _timed(lambda: [json.dumps(one, sort_keys=True, indent=2) for one in content], 3)
    of_one = sum(bool({"tocsin:Large", "tocsin-part:Large"} & set(one["tags"])) for one in content)
    checked_s, faults = _timed(lambda: check(files))
    assert not faults, faults[:3]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        written_s, _ = _timed(lambda: write(files, folder / "own"))
        again_s, again = _timed(lambda: write(files, folder / "own"))
        assert not again.changed
        cpu_s = _cpu_of_children_s()
        whole_s, _ = _timed(lambda: _command(tree, folder))
        cpu_s = _cpu_of_children_s() - cpu_s
    json_s, _ = _timed(lambda: build([tree], BuildOptions(datasource=Kind.JSON, depth=2)))
    wide = _tree(SYSTEMS, 10 * COMPONENTS, 5)
    wide_s, more = _timed(lambda: build([wide], options))
    return [
        Figure(f"{components:,} components, {pvs:,} PVs, depth 2: dashboards built", built_s, "s", verdict=aim(built_s, AIM_S, "s")),
        Figure("yardstick: the same content by json.dumps", bare_s, "s"),
        Figure("built / yardstick", built_s / bare_s, "x"),
        Figure("the whole command, from the file of the tree", whole_s, "s", verdict=aim(whole_s, AIM_S, "s")),
        Figure("CPU of that, which others on the machine do not delay", cpu_s, "s", verdict=aim(cpu_s, AIM_S, "s")),
        Figure("checked, of that", checked_s, "s"),
        Figure("written to files", written_s, "s"),
        Figure("written again, nothing having changed", again_s, "s"),
        Figure("dashboards", len(files), ""),
        Figure(f"of them of one component (bound: {MAX_COMPONENTS})", of_one, ""),
        Figure("components without one, looked at on 'any component'", components - of_one, ""),
        Figure("size of all", sum(map(len, files.values())) / 1e6, "MB"),
        Figure("built for the JSON datasource", json_s, "s"),
        Figure(f"{len(wide.nodes) - 1:,} components, {len(wide.alarms):,} PVs, depth 2: built", wide_s, "s"),
        Figure("dashboards of those", len(more), ""),
    ]


if __name__ == "__main__":
    for figure in run():
        print(f"{figure.what:<70} {figure.value:10.3f} {figure.unit} {figure.verdict}")
