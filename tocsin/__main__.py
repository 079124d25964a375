"""The program: `tocsin`, and `python -m tocsin`. Small, so that Ctrl-C is understood from the first moment on."""

from __future__ import annotations

import sys


def main() -> None:
    """Load the command line, which takes a while, and run it."""
    try:
        from tocsin.cli.main import main as run

        run()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
