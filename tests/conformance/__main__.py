"""`python -m tests.conformance FILE...`: a line for each deviation, then `N passed, N failed`.

Takes step tables of the alarm logic (a case counts as one) and recorded sessions (a path counts as one; its first deviation is shown).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.conformance.session import NOT_REPLAYED, is_session
from tests.conformance.sessions import replay_all
from tests.conformance.steps import load_cases, run_case


def main(arguments: list[str]) -> int:
    """Exit status: 0 all passed, 1 deviations, 2 a file could not be used."""
    if not arguments:
        print("usage: python -m tests.conformance FILE...", file=sys.stderr)
        return 2
    try:
        sessions, tables = _sort(Path(argument) for argument in arguments)
        results = [list(_run_table(path)) for path in tables]
    except (OSError, ValueError) as problem:
        print(problem, file=sys.stderr)
        return 2
    results += [[result.deviation for result in session] for session in replay_all(sessions)]
    deviations = [deviation for result in results for deviation in result]
    for deviation in filter(None, deviations):
        print(deviation)
    failed = sum(map(bool, deviations))
    print(f"{len(deviations) - failed} passed, {failed} failed")
    return 1 if failed else 0


def _sort(paths: Iterator[Path]) -> tuple[list[Path], list[Path]]:
    """Sessions and step tables; what is not replayed is only named."""
    sessions, tables = [], []
    for path in paths:
        if path.stem in NOT_REPLAYED:
            print(f"{path}: {NOT_REPLAYED[path.stem]}")
        elif is_session(json.loads(path.read_text(encoding="utf-8"))):
            sessions.append(path)
        else:
            tables.append(path)
    return sessions, tables


def _run_table(path: Path) -> Iterator[str]:
    for case in load_cases(path):
        yield "\n".join(run_case(case).deviations)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
