"""How far an import has come, in a file beside the settings: the next run goes on from there."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import orjson
import structlog

from alarm_engine.errors import SettingsError
from alarm_engine.model.times import Nanos
from backend.phoebus.importing import Report

_VERSION = 1

log = structlog.get_logger()


class Notes:
    """The file. What it says of another source is not used."""

    def __init__(self, path: Path, source: Sequence[str]) -> None:
        self._path = path
        self._source = list(source)
        self.own_begin: Nanos | None = None
        """When our own history begins: looked up once, for later there are imported events before it."""

    def read(self) -> Report:
        """The report so far, an empty one where nothing was imported yet; a file that cannot be used is left aside."""
        try:
            data = orjson.loads(self._path.read_bytes())
            if data["version"] != _VERSION or data["source"] != self._source:
                return Report()
            self.own_begin = None if data["own_begin"] is None else Nanos(data["own_begin"])
            until = data["until"]
            return Report(
                documents=data["documents"],
                by_kind=Counter(data["by_kind"]),
                events=data["events"],
                new=data["new"],
                until=None if until is None else Nanos(until),
                unmapped=Counter(data["unmapped"]),
                examples=data["examples"],
            )
        except FileNotFoundError:
            return Report()
        except (OSError, ValueError, KeyError, TypeError) as problem:
            log.warning("notes of an import cannot be read, it begins again", file=str(self._path), problem=repr(problem))
            return Report()

    def write(self, report: Report) -> None:
        """Note it; raises `SettingsError` where that cannot be."""
        data = {
            "version": _VERSION,
            "source": self._source,
            "own_begin": self.own_begin,
            "until": report.until,
            "documents": report.documents,
            "by_kind": report.by_kind,
            "events": report.events,
            "new": report.new,
            "unmapped": report.unmapped,
            "examples": report.examples,
        }
        beside = self._path.with_suffix(".new")
        try:
            beside.write_bytes(orjson.dumps(data))
            os.replace(beside, self._path)
        except OSError as problem:
            raise SettingsError(f"{self._path}: how far the import has come cannot be noted: {problem.strerror}") from problem

    def forget(self) -> None:
        """Begin again."""
        self._path.unlink(missing_ok=True)
