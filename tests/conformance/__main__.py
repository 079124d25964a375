"""`python -m tests.conformance FILE...`: a line for each deviation, then `N passed, N failed`.

Takes step tables of the alarm logic (a case counts as one) and recorded sessions (a path counts as one; its first deviation is shown).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from tests.conformance.session import NOT_REPLAYED, is_session
from tests.conformance.sessions import JOURNALS, replay_all, usual_journal
from tests.conformance.steps import load_cases, run_case
from tests.kafka_jars import Missing


def main(arguments: Sequence[str]) -> int:
    """Exit status: 0 all passed, 1 deviations, 2 a file or the journal could not be used."""
    options = _parser().parse_args(arguments)
    begun = time.monotonic()
    try:
        sessions, tables = _sort(options.files)
        results = [list(_run_table(path)) for path in tables]
        if sessions:
            journal, why = (options.journal, "") if options.journal else usual_journal()
            print(f"sessions are played on the journal {journal}{why}", flush=True)
            results += [[result.deviation for result in session] for session in replay_all(sessions, JOURNALS[journal]())]
    except (OSError, ValueError, Missing) as problem:
        print(problem, file=sys.stderr)
        return 2
    deviations = [deviation for result in results for deviation in result]
    for deviation in filter(None, deviations):
        print(deviation)
    failed = sum(map(bool, deviations))
    print(f"took {time.monotonic() - begun:.0f} s")
    print(f"{len(deviations) - failed} passed, {failed} failed")
    return 1 if failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description="Our engine against what Phoebus was recorded doing.")
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="recorded session, or step table of the alarm logic (JSON)")
    parser.add_argument(
        "--journal", choices=JOURNALS, help="what sessions are played on; else a Kafka broker of their own where there are Java and Maven"
    )
    return parser


def _sort(paths: Iterable[Path]) -> tuple[list[Path], list[Path]]:
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
