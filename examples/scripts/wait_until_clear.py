#!/usr/bin/env python3
"""Waits until nothing below a component is in alarm: for scripts that start a machine.

    wait_until_clear.py /Site/Cooling --timeout 600 && start_pumps

Acknowledged alarms still stand: give --acknowledged-is-clear if they do not matter. While the answer is old, or the PV of an alarm was
never heard of, it waits on, since nobody knows.
Where tocsin is, and the token: TOCSIN_URL, TOCSIN_TOKEN_FILE. Exit status: 0 it is clear, 1 not in time, 2 tocsin could not be asked.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

from tocsin import Client
from tocsin.client import Change, ClientError, Fresh, Severity, Snapshot, Stale, Update


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """What was given on the command line."""
    parser = argparse.ArgumentParser(description="Wait until nothing below a component is in alarm.")
    parser.add_argument("path", help="alarm or component, as /Site/Cooling")
    parser.add_argument("--timeout", type=float, default=float("inf"), metavar="SECONDS", help="wait no longer (default: for ever)")
    parser.add_argument("--acknowledged-is-clear", action="store_true", help="do not wait for alarms that somebody has acknowledged")
    parser.add_argument("--url", help="address of tocsin (default: TOCSIN_URL, else this machine)")
    return parser.parse_args(given)


class Standing:
    """What is in alarm."""

    def __init__(self, path: str, *, acknowledged_is_clear: bool) -> None:
        self._acknowledged_is_clear = acknowledged_is_clear
        self._path = path.rstrip("/")
        self.paths: set[str] = set()
        self.is_known = False
        """False: what was told is old."""

    @property
    def is_clear(self) -> bool:
        """Surely nothing stands."""
        return self.is_known and not self.paths

    def take(self, update: Update) -> None:
        """Something was told."""
        match update:
            case Snapshot(alarms=alarms, stale=stale):
                self.paths = {alarm.path for alarm in alarms if self._counts(alarm.severity)}
                self.is_known = not stale
            case Change(event=event, alarm=alarm) if event.path == self._path or event.path.startswith(self._path + "/"):
                self.paths.discard(event.path)
                if alarm is not None and self._counts(alarm.severity):
                    self.paths.add(event.path)
            case Stale():
                self.is_known = False
            case Fresh():
                self.is_known = True

    def _counts(self, severity: Severity) -> bool:
        return severity.is_active or (severity.is_acknowledged and not self._acknowledged_is_clear)


def main(given: Sequence[str] | None = None) -> int:
    """Wait; returns the exit status."""
    options = arguments(given)
    standing, deadline = Standing(options.path, acknowledged_is_clear=options.acknowledged_is_clear), time.monotonic() + options.timeout
    try:
        with Client(options.url) as client, client.subscribe(options.path, beats=True) as updates:
            for update in updates:
                standing.take(update)
                if standing.is_clear and not client.alarms(options.path, state="unknown").total:
                    return 0
                if time.monotonic() > deadline:
                    break
    except KeyboardInterrupt:
        return 1
    except ClientError as problem:
        print(problem, file=sys.stderr)
        return 2
    print(f"{options.path} is not clear: {', '.join(sorted(standing.paths)) or 'not all is known of it'}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
