"""Asks a process of tocsin whether it lives: `python -m tocsin.healthy [ADDRESS]`. For containers that have no shell and no curl.

Exit code 0: `/healthz` answered 200. It depends on nothing else: a process that waits for Kafka is healthy. Without an address it asks
http://127.0.0.1:8080/healthz.
"""

from __future__ import annotations

import sys
import urllib.request

_ADDRESS = "http://127.0.0.1:8080/healthz"
_PATIENCE_S = 4.0


def main(arguments: list[str]) -> int:
    """0 for yes, 1 for no."""
    address = arguments[0] if arguments else _ADDRESS
    if not address.startswith("http://"):
        sys.stderr.write(f"{address}: expected an address that begins with http://\n")
        return 2
    try:
        with urllib.request.urlopen(address, timeout=_PATIENCE_S) as answer:
            return 0 if answer.status == 200 else 1
    except OSError as problem:
        sys.stderr.write(f"{address} does not answer: {problem}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
