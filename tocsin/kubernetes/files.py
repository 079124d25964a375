"""A rendered overlay in a directory: written, or compared with what is there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from alarm_engine.errors import SettingsError

_MARK = b"# Written by `tocsin k8s render`"


def difference(files: Mapping[str, bytes], directory: Path) -> list[str]:
    """Names of files that are missing, differ, or are there and should not be."""
    found = _present(directory)
    return sorted(name for name in found.keys() | files.keys() if found.get(name) != files.get(name))


def replace(files: Mapping[str, bytes], directory: Path) -> list[str]:
    """Make the directory what it should be; returns what was written or removed.

    Raises `SettingsError` for a directory of somebody else.
    """
    found = _present(directory)
    if found and not found.get("kustomization.yaml", b"").startswith(_MARK):
        raise SettingsError(
            f"{directory} holds {next(iter(found))} and is no overlay that was rendered: give another --out, or an empty one"
        )
    changed = difference(files, directory)
    for name in changed:
        path = directory / name
        if name in files:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(files[name])
        else:
            path.unlink()
    return changed


def _present(directory: Path) -> dict[str, bytes]:
    if not directory.exists():
        return {}
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file()}
