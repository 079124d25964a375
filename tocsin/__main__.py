"""The program: `tocsin`, and `python -m tocsin`. Small, so that Ctrl-C is understood from the first moment on."""

from __future__ import annotations

import gc
import sys


def main() -> None:
    """Load the command line, which takes a while, and run it."""
    try:
        from alarm_engine.garbage import nothing_collected

        with nothing_collected():
            from tocsin.cli.main import main as run

        run()
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        gc.freeze()  # at the end Python looks through all that was loaded, several times: it goes with the process anyway


if __name__ == "__main__":
    main()
