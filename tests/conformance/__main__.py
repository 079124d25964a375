"""`python -m tests.conformance FILE...`: a line for each deviation, then `N passed, N failed`."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.conformance.steps import load_cases, run_case


def main(arguments: list[str]) -> int:
    """Exit status: 0 all passed, 1 deviations, 2 a file could not be used."""
    if not arguments:
        print("usage: python -m tests.conformance FILE...", file=sys.stderr)
        return 2
    passed = failed = 0
    for argument in arguments:
        try:
            cases = load_cases(Path(argument))
        except (OSError, ValueError) as problem:
            print(f"{argument}: {problem}", file=sys.stderr)
            return 2
        for case in cases:
            result = run_case(case)
            for deviation in result.deviations:
                print(deviation)
            passed += not result.deviations
            failed += bool(result.deviations)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main(sys.argv[1:]))
