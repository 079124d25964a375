"""Loading and checking an alarm tree of 100,000 PVs, beside a bare parse of the same text by the C loader of PyYAML.

The tree is what a large site would write: 100 systems in files of their own, ten components each, half of the alarms in full form.
"""

from __future__ import annotations

import gc
import tempfile
import time
import tracemalloc
from pathlib import Path

import yaml

from alarm_engine.config.diff import diff
from alarm_engine.config.load import load_tree
from alarm_engine.config.write import to_yaml

SYSTEMS, COMPONENTS, ALARMS = 100, 10, 100


def _system(s: int) -> str:
    lines = ["guidance: Call the system's owner, 4411", "defaults: {delay: 2}", "systems:"]
    for c in range(COMPONENTS):
        lines += [f"  Unit {c}:", "    pvs:"]
        for n in range(ALARMS):
            pv = f"S{s:03d}:U{c:02d}:Signal{n:03d}"
            if n % 2:
                lines.append(f"      {pv}: Signal {n} of unit {c}")
                continue
            lines += [f"      {pv}:", f"        description: Signal {n} of unit {c}", "        delay: 5s", "        latching: false"]
            lines += ["        displays:", f"          - {{title: Unit, details: unit.bob?U={c}}}"]
    return "\n".join(lines) + "\n"


def _write(directory: Path) -> list[Path]:
    systems = "".join(f"  System {s}: {{include: s{s}.yaml}}\n" for s in range(SYSTEMS))
    (directory / "tree.yaml").write_text(f"config: Large\nsystems:\n{systems}")
    for s in range(SYSTEMS):
        (directory / f"s{s}.yaml").write_text(_system(s))
    return sorted(directory.glob("*.yaml"))


def run() -> list[tuple[str, float, str]]:
    """Name, value and unit of each figure; wall time on one core, best of three."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        files = _write(directory)
        loads, bare = [], []
        for _ in range(3):
            start = time.perf_counter()
            result = load_tree(directory)
            loads.append(time.perf_counter() - start)
            start = time.perf_counter()
            gc.disable()  # as `load_tree` does, so that the yardstick is at its best
            for file in files:
                yaml.load(file.read_bytes(), Loader=yaml.CSafeLoader)
            gc.enable()
            bare.append(time.perf_counter() - start)
        tree = result.tree
        assert tree is not None
        assert not result.faults
        assert len(tree.alarms) == SYSTEMS * COMPONENTS * ALARMS
        start = time.perf_counter()
        assert diff(tree, tree) == []
        compared = time.perf_counter() - start
        start = time.perf_counter()
        text = to_yaml(tree)
        written = time.perf_counter() - start
        size = sum(file.stat().st_size for file in files)
        del result, tree
        tracemalloc.start()
        held = load_tree(directory).tree
        memory = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        assert held is not None
    return [
        ("tree of 100,000 PVs: load and check", min(loads), "s"),
        ("yardstick: bare C-loader parse of the same files", min(bare), "s"),
        ("load and check / yardstick", min(loads) / min(bare), "x"),
        ("files of the tree", size / 1e6, "MB"),
        ("memory of the loaded tree per PV", memory / len(held.alarms), "B"),
        ("compare two such trees", compared, "s"),
        ("write it as one YAML file", written, "s"),
        ("that file", len(text) / 1e6, "MB"),
    ]


if __name__ == "__main__":
    for label, value, unit in run():
        print(f"{label:<52} {value:10.3f} {unit}")
