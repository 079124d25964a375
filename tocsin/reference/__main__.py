"""`python -m tocsin.reference [DIR]`: write the generated pages of docs/reference again."""

from __future__ import annotations

import sys
from pathlib import Path

import typer

from tocsin.reference.pages import DIRECTORY, write

if __name__ == "__main__":
    directory = Path(sys.argv[1]) if len(sys.argv) > 1 else DIRECTORY
    changed = write(directory)
    typer.echo(f"{directory}: {len(changed)} files new or changed" + "".join(f"\n  {path.name}" for path in changed))
