"""`python -m benchmarks [NAME...]`: a table of figures beside yardsticks of the same run.

Each module `NAME_bench.py` has `run() -> list[tuple[str, float, str]]`: what, how much, unit; or `Figure`s, which may also say what another
program did and whether an aim was met. Figures depend on the machine; only those of one run compare.
"""

from __future__ import annotations

import importlib
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.figures import Figure


def main(wanted: list[str]) -> int:
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
        rows = importlib.import_module(f"benchmarks.{name}_bench").run()
        for index, row in enumerate(rows):
            figure = Figure(*row)
            number = f"{figure.value:,.4g}" if figure.value < 1000 else f"{figure.value:,.0f}"
            table.add_row(name if index == 0 else "", figure.what, number, figure.unit, figure.beside, figure.verdict)
        table.add_row("", f"[dim]took {time.monotonic() - start:.0f} s[/]", "", "", "", "", end_section=True)
    console.print(table)
    return 0


sys.exit(main(sys.argv[1:]))
