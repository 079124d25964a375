"""`python -m tests.chaos [--faults N] [--seed N] [--brokers 1|3] [FAULT...]`: faults under load, and what they cost.

Without names of faults they are chosen from the seed, which is printed. Sites are made anew after every 20 faults, every third with three
brokers. Exit status 1 if anything was lost or doubled.
"""

from __future__ import annotations

import argparse
import pickle
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tests.chaos.faults import BY_NAME, Fault
from tests.chaos.gaps import Gap, table
from tests.chaos.plant import InVain, Plant, PlantOptions
from tests.chaos.scenario import choose, named, run

PER_SITE = 20
SHOWN = 5


def main() -> int:
    given = _arguments()
    seed = given.seed if given.seed is not None else random.SystemRandom().randrange(1 << 30)
    print(f"seed {seed}", flush=True)
    found: list[Gap] = []
    wrong = done = 0
    began = time.monotonic()
    number = len(given.fault) or given.faults
    while done < number:
        site_seed = seed + done
        brokers = given.brokers or (3 if done // PER_SITE % 3 == 2 else 1)
        faults = named(*given.fault) if given.fault else choose(site_seed, min(PER_SITE, number - done), brokers)
        done += len(faults)
        with tempfile.TemporaryDirectory(prefix="tocsin-chaos-") as folder:
            wrong += _one_site(Path(folder), PlantOptions(nodes=brokers), faults, site_seed, found, given.keep)
        print(f"{done} of {number} faults, {wrong} violations, {time.monotonic() - began:.0f} s", flush=True)
    print(table(found))
    return 1 if wrong else 0


def _one_site(
    folder: Path, options: PlantOptions, faults: Sequence[tuple[Fault, ...]], seed: int, found: list[Gap], keep: Path | None
) -> int:
    print(
        f"site of seed {seed}, {options.nodes} brokers:", "; ".join(" + ".join(one.name for one in these) for these in faults), flush=True
    )
    with Plant(folder, options) as plant:
        try:
            result = run(plant, faults, seed)
        except InVain as problem:
            print(f"  {problem}", flush=True)
            return 1
        found += result.gaps
        for rule, number in Counter(violation.rule for violation in result.violations).items():
            print(f"  {rule}: {number}")
            for violation in [one for one in result.violations if one.rule == rule][:SHOWN]:
                print(f"    {violation}", flush=True)
        if result.violations and keep is not None:
            keep.mkdir(parents=True, exist_ok=True)
            (keep / f"{seed}.pickle").write_bytes(pickle.dumps((result.evidence, plant.marks)))
            for process in (*plant.engines.values(), *plant.others.values()):
                (keep / f"{seed}-{process.name}.log").write_text(process.log(), encoding="utf-8")
        print(f"  {len(result.evidence.truth)} transitions, {len(result.evidence.events)} events, {len(result.evidence.sent)} commands")
        return len(result.violations)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description="Faults under load, and what they cost.")
    parser.add_argument("fault", nargs="*", choices=[[], *BY_NAME], help=f"one or more of: {', '.join(BY_NAME)}")
    parser.add_argument("--faults", type=int, default=200, help="how many, if none is named")
    parser.add_argument("--seed", type=int, help="repeats a run")
    parser.add_argument("--keep", type=Path, help="folder for the evidence (a pickle) and the logs of sites where something was wrong")
    parser.add_argument("--brokers", type=int, choices=(1, 3), help="on all sites")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
