#!/usr/bin/env python3
"""Writes each change of a severity as a line, into a log or to standard output, and says when it cannot know.

    mirror_severities.py /Site/Cooling >> severities.log
    mirror_severities.py --log severities.log

Where tocsin is, and the token: TOCSIN_URL, TOCSIN_TOKEN_FILE. It goes on through restarts of the backend without leaving a change out. End
it with Ctrl-C. Exit status: 0 ended so, 2 tocsin could not be asked at the begin, or refuses.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path

from tocsin import Client
from tocsin.client import Change, ClientError, Fresh, Snapshot, Stale, Update


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """What was given on the command line."""
    parser = argparse.ArgumentParser(description="Write each change of a severity as a line.")
    parser.add_argument("path", nargs="?", help="only this alarm or component (default: everything)")
    parser.add_argument("--log", type=Path, metavar="FILE", help="file to write to, at its end (default: standard output)")
    parser.add_argument("--url", help="address of tocsin (default: TOCSIN_URL, else this machine)")
    parser.add_argument("--config", help="configuration, where the site has several and no path is given")
    return parser.parse_args(given)


def lines(update: Update) -> Iterator[str]:
    """What is written of an update."""
    match update:
        case Snapshot(alarms=alarms, gap=gap):
            if gap:
                yield f"{_text(datetime.now(UTC))} GAP {gap}"
            for alarm in alarms:
                yield f"{_text(alarm.since or datetime.now(UTC))} {alarm.severity} {alarm.path}"
        case Change(event=event) if event.from_severity != event.to_severity:
            yield f"{_text(event.time)} {event.to_severity} {event.path}"
        case Stale(since=since, why=why):
            yield f"{_text(since)} STALE {why}"
        case Fresh():
            yield f"{_text(datetime.now(UTC))} FRESH"


def _text(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="milliseconds")


def main(given: Sequence[str] | None = None) -> int:
    """Follow until it is interrupted; returns the exit status."""
    options = arguments(given)
    try:
        output = options.log.open("a", encoding="utf-8") if options.log else nullcontext(sys.stdout)
        with output as log, Client(options.url) as client, client.subscribe(options.path, config=options.config) as updates:
            for update in updates:
                for text in lines(update):
                    print(text, file=log, flush=True)
    except KeyboardInterrupt:
        return 0
    except (ClientError, OSError) as problem:
        print(problem, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
