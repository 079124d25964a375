"""The files of one tree: read once each, and only from the directory of the tree.

An include may not leave that directory: the tree is reviewed, shipped and mounted as one directory, so a path out of it works on one
machine and not on the next; and a checker that runs on proposed changes must not read other files of the machine for whoever proposes them.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from alarm_engine.config.memory import Memory
from alarm_engine.config.yaml_nodes import Node, TextLimits, TextProblem, Unreadable, parse


@dataclass(frozen=True, slots=True)
class Limits:
    """What a tree may hold, so that no file can eat the machine. The defaults are far above any real tree."""

    file_bytes: int = 64_000_000
    """Of one file."""
    total_bytes: int = 256_000_000
    """Of all files together."""
    text: TextLimits = field(default_factory=TextLimits)
    """Of the YAML in one file."""
    entries: int = 1_000_000
    """Alarms and components of the tree, after templates and includes."""
    levels: int = 60
    """Components, includes and templates within each other."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file that was read."""

    shown: str
    """As messages name it."""
    real: Path
    """Without symbolic links: what tells files apart."""
    root: Node | None
    """None: empty or unreadable."""
    problems: tuple[TextProblem, ...]
    readable: bool
    """False: the content is lost, `problems` says why."""


class CannotRead(Exception):
    """A file that cannot be had; `problem` and `expected` are for the user."""

    def __init__(self, problem: str, expected: str = "a file below the directory of the tree") -> None:
        super().__init__(problem)
        self.problem = problem
        self.expected = expected


class Files:
    """Reads files of the directory `base`, as a user spelled it."""

    def __init__(self, base: Path, limits: Limits, memory: Memory) -> None:
        self.memory = memory
        """What was read before."""
        self._base = base
        self._real_base = Path(os.path.realpath(base))
        self._limits = limits
        self._known: dict[Path, SourceFile | CannotRead] = {}
        self._bytes = 0

    def open(self, relative: str, including: SourceFile | None = None) -> SourceFile:
        """The file `relative` to the directory of the file that includes it (None: the first file); raises `CannotRead`."""
        if not relative or "\0" in relative:
            raise CannotRead("names no file")
        if Path(relative).is_absolute():
            raise CannotRead("is an absolute path, which works on one machine only", "a path relative to this file")
        directory = Path(including.shown).parent if including else self._base
        shown = Path(os.path.normpath(directory / relative))
        real = Path(os.path.realpath(shown))
        if including and not real.is_relative_to(self._real_base):
            raise CannotRead(f"leaves the directory of the tree ({self._base}), which is reviewed and shipped as one")
        if real not in self._known:
            # A failure is kept too: the file is asked for twice, and both must see the same.
            try:
                self._known[real] = self._read(shown, real)
            except FileNotFoundError:
                self._known[real] = CannotRead("does not exist")
            except OSError as problem:
                self._known[real] = CannotRead(f"cannot be read: {problem.strerror}")
            except CannotRead as problem:
                self._known[real] = problem
        found = self._known[real]
        if isinstance(found, CannotRead):
            raise CannotRead(found.problem, found.expected)
        return found

    @property
    def names(self) -> tuple[str, ...]:
        """Files that were read, as messages name them."""
        return tuple(file.shown for file in self._known.values() if isinstance(file, SourceFile))

    def _read(self, shown: Path, real: Path) -> SourceFile:
        mode = real.stat().st_mode
        if stat.S_ISDIR(mode):
            raise CannotRead("is a directory")
        if not stat.S_ISREG(mode):
            raise CannotRead("is no regular file")
        with real.open("rb") as stream:
            data = stream.read(self._limits.file_bytes + 1)
        if len(data) > self._limits.file_bytes:
            raise CannotRead(f"is larger than {self._limits.file_bytes} bytes", "files that are split by `include`")
        self._bytes += len(data)
        if self._bytes > self._limits.total_bytes:
            raise CannotRead(f"makes the files larger than {self._limits.total_bytes} bytes together", "a smaller tree")
        digest = self.memory.digest(data)
        parsed = self.memory.parsed(digest)
        if parsed is None:
            try:
                parsed = parse(data, self._limits.text)
            except Unreadable as unreadable:
                return SourceFile(str(shown), real, None, (unreadable.problem,), readable=False)
            self.memory.keep(digest, parsed)
        root, problems = parsed
        return SourceFile(str(shown), real, root, problems, readable=True)
