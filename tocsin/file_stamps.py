"""What tells whether the files of a tree have changed, and whether whoever changes them is done."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Stamps:
    """The files of a tree as they are at one look."""

    real: str
    """Where the tree really lies: behind symbolic links, which git-sync and Kubernetes turn to another place in one step."""
    files: tuple[tuple[str, int, int, int], ...]
    """Name, time of change, size and number of each file; one that is gone has -1."""

    @property
    def names(self) -> tuple[str, ...]:
        """Files that are looked at."""
        return tuple(name for name, *_ in self.files)


def look(tree: Path, names: Sequence[str]) -> Stamps:
    """The files as they are now. `tree`: the file or directory that the settings name."""
    return Stamps(os.path.realpath(tree), tuple(_stamp(name) for name in names))


def _stamp(name: str) -> tuple[str, int, int, int]:
    try:
        found = os.stat(name)
    except OSError:
        return name, -1, -1, -1
    return name, found.st_mtime_ns, found.st_size, found.st_ino


class Settling:
    """Says when changed files may be read.

    Half a file may be a good tree with half of the alarms: they would be removed, and their acknowledgements with them. So files that are
    written in place are left alone until two looks find the same. Where a link was turned, all is there at once.
    """

    def __init__(self, read: Stamps) -> None:
        """`read`: the files as they were when they were read last."""
        self.read = read
        self._before = read

    def may_read(self, now: Stamps) -> bool:
        """They differ from what was read, and nobody is writing."""
        settled, self._before = now == self._before, now
        return now != self.read and (settled or now.real != self.read.real)

    def has_changed(self, now: Stamps) -> bool:
        """They differ from what was read."""
        return now != self.read

    def was_read(self, stamps: Stamps) -> None:
        """These files were read."""
        self.read = self._before = stamps
