"""A folder that only its owner can look into, and that does not outlive its process: what a killed one left is removed by the next one."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path

from tocsin.client.errors import BadClientSettings

_BEGIN = "tocsin-client-"
_LOCK = "in-use"
_MAKING = "making"
_LONGEST = 100
"""Bytes of the name of a socket: Linux takes 107."""


class PrivateFolder:
    """Made at once, mode 0700; `close` removes it with all that is in it."""

    def __init__(self, parent: str | Path | None = None) -> None:
        """`parent`: where it is made; None: where temporary files go (TMPDIR). Raises `BadClientSettings`."""
        base = Path(tempfile.gettempdir() if parent is None else parent).expanduser().absolute()
        sweep(base)
        try:
            self.path = Path(tempfile.mkdtemp(prefix=_BEGIN, dir=base))
            self._lock = os.open(self.path / _MAKING, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.rename(self.path / _MAKING, self.path / _LOCK)  # whoever sweeps must not find it before it is locked
        except OSError as problem:
            raise BadClientSettings(f"no private folder can be made in {base}: {problem.strerror}; give another one (folder=)") from problem
        if len(os.fsencode(self.path / "s")) > _LONGEST:
            self.close()
            raise BadClientSettings(f"the name of {base} is too long for a socket in it: give a shorter one (folder=)")

    def close(self) -> None:
        """Remove it; may be called again."""
        shutil.rmtree(self.path, ignore_errors=True)
        with contextlib.suppress(OSError):
            os.close(self._lock)
        self._lock = -1


def sweep(base: Path) -> None:
    """Remove what processes left there that were killed: their locks are free. What is another user's, or too new to be locked, stays."""
    with contextlib.suppress(OSError):
        for folder in base.glob(f"{_BEGIN}*"):
            if folder.is_symlink() or folder.lstat().st_uid != os.getuid():
                continue
            with contextlib.suppress(OSError):
                _remove_unless_locked(folder)


def _remove_unless_locked(folder: Path) -> None:
    lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(lock)
