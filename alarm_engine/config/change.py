"""Other settings of alarms as a change to the files of their tree."""

from __future__ import annotations

import difflib
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from alarm_engine.config.edit import CannotEdit, set_fields
from alarm_engine.config.load import FIRST_FILE, load_tree
from alarm_engine.config.tree import ConfigTree
from alarm_engine.model import path as paths
from alarm_engine.model.settings import AlarmSettings

_KEYS = {"delay_s": "delay", "count": "count", "latching": "latching", "annunciating": "annunciating"}
"""What can be changed, by field of `AlarmSettings`."""


@dataclass(frozen=True, slots=True)
class FileChange:
    """A file as it is, and as it would be."""

    file: str
    """As messages name it."""
    old: str
    new: str

    def diff(self) -> str:
        """A unified diff, for `patch -p0` in this directory and for people."""
        name = _shown(self.file)
        old, new = (text.splitlines(keepends=True) for text in (self.old, self.new))
        lines = difflib.unified_diff(old, new, name, name)
        return "".join(line if line.endswith("\n") else line + "\n\\ No newline at end of file\n" for line in lines)

    def write(self) -> None:
        """Put it in the place of the old one, whole or not at all; raises `OSError`."""
        real = os.path.realpath(self.file)
        handle, temporary = tempfile.mkstemp(dir=os.path.dirname(real), prefix=".tocsin-")
        try:
            with open(handle, "w", encoding="utf-8", newline="") as stream:
                stream.write(self.new)
            shutil.copymode(real, temporary)
            os.replace(temporary, real)
        finally:
            Path(temporary).unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class TreeChange:
    """What was asked for, as far as it can be done."""

    files: tuple[FileChange, ...]
    refused: Mapping[str, str]
    """Why an alarm must be changed by hand, by path."""


def change(first: Path, tree: ConfigTree, wanted: Mapping[str, AlarmSettings]) -> TreeChange:
    """Changes to the files of `tree`, loaded from `first`, that give alarms the settings `wanted`. Raises `OSError`.

    The changed files are loaded before they are handed out: an edit that would do anything else is refused.
    """
    texts, refused = _edited(tree, wanted)
    good = {path: settings for path, settings in wanted.items() if path not in refused}
    if not _are_as_wanted(first, tree, texts, good):
        for path, settings in good.items():
            alone, _ = _edited(tree, {path: settings})
            if not _are_as_wanted(first, tree, alone, {path: settings}):
                place = tree.places[path]
                refused[path] = f"{_shown(place.file)}:{place.line}: a change there would change something else too"
        texts, _ = _edited(tree, {path: settings for path, settings in good.items() if path not in refused})
    return TreeChange(tuple(FileChange(file, _read(file), texts[file]) for file in sorted(texts)), refused)


def _edited(tree: ConfigTree, wanted: Mapping[str, AlarmSettings]) -> tuple[dict[str, str], dict[str, str]]:
    """New texts by file, and why what cannot be edited."""
    texts: dict[str, str] = {}
    refused: dict[str, str] = {}
    # From the bottom up, so that the lines of those that follow are still what they were.
    for path in sorted(wanted, key=lambda one: tree.places[one].line, reverse=True):
        place = tree.places[path]
        if place.used_at:
            all_of_it = sum((other.file, other.line) == (place.file, place.line) for other in tree.places.values())
            refused[path] = f"it stands in a template ({_shown(place.file)}:{place.line}): a change there is one for {all_of_it} alarms"
            continue
        text = texts.get(place.file) or _read(place.file)
        try:
            texts[place.file] = set_fields(text, place.line, paths.name(path), _differences(tree.alarms[path], wanted[path]))
        except CannotEdit as problem:
            refused[path] = f"{_shown(place.file)}:{place.line}: {problem}"
    return texts, refused


def _differences(old: AlarmSettings, new: AlarmSettings) -> dict[str, str]:
    """As texts of YAML, by key of the file."""
    pairs = ((key, getattr(old, name), getattr(new, name)) for name, key in _KEYS.items())
    return {key: str(value).lower() for key, was, value in pairs if was != value}


def _are_as_wanted(first: Path, tree: ConfigTree, texts: Mapping[str, str], wanted: Mapping[str, AlarmSettings]) -> bool:
    """Load the files as they would be, from another directory."""
    base = first if first.is_dir() else first.parent
    with tempfile.TemporaryDirectory(prefix="tocsin-") as directory:
        for file in load_tree(first).files:
            there = Path(directory, os.path.relpath(file, base))
            there.parent.mkdir(parents=True, exist_ok=True)
            there.write_bytes((texts.get(file) or _read(file)).encode())
        result = load_tree(Path(directory, FIRST_FILE if first.is_dir() else first.name))
    return result.tree is not None and result.tree.alarms == {**tree.alarms, **wanted} and result.tree.nodes == tree.nodes


def _shown(file: str) -> str:
    """From here, if it is below."""
    here = os.path.relpath(file)
    return file if here.startswith("..") else here


def _read(file: str) -> str:
    return Path(file).read_bytes().decode()
