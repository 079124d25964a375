"""`python -m benchmarks [NAME...] [--events N] [--keep FOLDER] [--times N] [--seconds N]`: a table of figures beside yardsticks of one run.

Each module `NAME_bench.py` has `run() -> list[tuple[str, float, str]]`: what, how much, unit; or `Figure`s, which may also say what another
program did and whether an aim was met. `--events` is the size of those that take one, `--keep` where they leave what they filled, to be
asked again; `--times` and `--seconds` are those of `takeover`. Figures depend on the machine; only those of one run compare.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.figures import Figure


def main(wanted: list[str], given: dict[str, Any]) -> int:
    """Run the benchmarks of these names, or all."""
    console = Console(width=None if sys.stdout.isatty() else 170)
    names = sorted(path.stem.removesuffix("_bench") for path in Path(__file__).parent.glob("*_bench.py"))
    unknown = [name for name in wanted if name not in names]
    if unknown:
        console.print(f"no benchmark {', '.join(unknown)}; there are {', '.join(names)}")
        return 2
    table = Table("", "what", "how much", "unit", "Phoebus 5.0.5, recorded", "aim", title="Benchmarks")
    for name in wanted or names:
        console.print(f"[dim]{name} ...[/]")
        start = time.monotonic()
        run = importlib.import_module(f"benchmarks.{name}_bench").run
        rows = run(**{key: given[key] for key in inspect.signature(run).parameters if key in given})
        for index, row in enumerate(rows):
            figure = Figure(*row)
            number = f"{figure.value:,.4g}" if figure.value < 1000 else f"{figure.value:,.0f}"
            table.add_row(name if index == 0 else "", figure.what, number, figure.unit, figure.beside, figure.verdict)
        table.add_row("", f"[dim]took {time.monotonic() - start:.0f} s[/]", "", "", "", "", end_section=True)
    console.print(table)
    return 0


def _arguments() -> tuple[list[str], dict[str, Any]]:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="A table of figures beside yardsticks of the same run.")
    parser.add_argument("name", nargs="*")
    parser.add_argument("--events", type=int, help="size of `history`")
    parser.add_argument("--keep", type=Path, help="folder in which `history` keeps its stores, and asks them again if they are there")
    parser.add_argument("--times", type=int, help="kills of `takeover`")
    parser.add_argument("--seconds", type=int, help="how long `takeover` watches at full load, and keeps the broker away")
    given = vars(parser.parse_args())
    return given.pop("name"), {key: value for key, value in given.items() if value is not None}


sys.exit(main(*_arguments()))
