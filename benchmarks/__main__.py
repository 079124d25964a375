"""`python -m benchmarks [NAME...]`: a table of figures beside yardsticks of the same run.

Each module `NAME_bench.py` has `run() -> list[tuple[str, float, str]]`: what, how much, unit. Figures depend on the machine; only those of
one run compare.
"""

from __future__ import annotations

import importlib
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table


def main(wanted: list[str]) -> int:
    """Run the benchmarks of these names, or all."""
    console = Console(width=None if sys.stdout.isatty() else 120)
    names = sorted(path.stem.removesuffix("_bench") for path in Path(__file__).parent.glob("*_bench.py"))
    unknown = [name for name in wanted if name not in names]
    if unknown:
        console.print(f"no benchmark {', '.join(unknown)}; there are {', '.join(names)}")
        return 2
    table = Table("", "what", "how much", "unit", title="Benchmarks")
    for name in wanted or names:
        console.print(f"[dim]{name} ...[/]")
        start = time.monotonic()
        rows = importlib.import_module(f"benchmarks.{name}_bench").run()
        for index, (what, value, unit) in enumerate(rows):
            table.add_row(name if index == 0 else "", what, f"{value:,.4g}" if value < 1000 else f"{value:,.0f}", unit)
        table.add_row("", f"[dim]took {time.monotonic() - start:.0f} s[/]", "", "", end_section=True)
    console.print(table)
    return 0


sys.exit(main(sys.argv[1:]))
