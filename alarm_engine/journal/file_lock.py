"""A lock that one process holds on a file, and that the kernel releases when the process dies, however it dies."""

from __future__ import annotations

import fcntl
import json
import os
import platform
import time
from pathlib import Path

from alarm_engine.errors import JournalUnavailable
from alarm_engine.model.times import Nanos, iso


class FileLock:
    """An exclusive lock by a file beside the one that is protected; the lock file stays, only its lock counts."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock_path = path.with_name(path.name + ".lock")
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock at once or raise `JournalUnavailable`, which says who has it."""
        try:
            descriptor = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as problem:
            raise JournalUnavailable(
                f"{self._path} cannot be used: {self._lock_path}: {problem.strerror}; "
                "the directory must be writable by the user who runs tocsin"
            ) from problem
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._sign(descriptor)
        except BlockingIOError as problem:
            holder = self._holder(descriptor)
            os.close(descriptor)
            raise JournalUnavailable(
                f"{self._path} is in use by {holder}; one file serves one engine: stop that one, or give this one another file"
            ) from problem
        except OSError as problem:
            os.close(descriptor)
            raise JournalUnavailable(f"{self._path} cannot be locked: {self._lock_path}: {problem.strerror}") from problem
        self._descriptor = descriptor

    def release(self) -> None:
        """Give the lock back; without effect if it is not held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    @staticmethod
    def _sign(descriptor: int) -> None:
        text = json.dumps({"pid": os.getpid(), "host": platform.node(), "since": iso(Nanos(time.time_ns()))})
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, text.encode(), 0)

    @staticmethod
    def _holder(descriptor: int) -> str:
        try:
            data = json.loads(os.pread(descriptor, 4096, 0))
            return f"process {data['pid']} on {data['host']} since {data['since']}"
        except (ValueError, KeyError, TypeError, OSError):
            return "another process"
