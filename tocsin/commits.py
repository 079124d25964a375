"""Which commit the files of a tree are of: asked of git, or read from what git-sync leaves."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import structlog

from alarm_engine.wire.revision import Commit

log = structlog.get_logger()

_HASH = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_GIT_S = 5.0
GITSYNC_HASH = "GITSYNC_HASH"
"""Environment variable in which git-sync hands the commit to what it runs."""


def find_commit(tree: Path, given: str = "") -> Commit:
    """The commit of the directory of a tree (a file or a directory); empty where it is of none. Blocks; raises nothing.

    `given`: what the settings say. Changes that are not committed show as `-dirty` behind the id. Author and subject are known where the
    program `git` is there and the directory is a checkout; of a worktree of git-sync the id is known in any case.
    """
    if given:
        return Commit(given)
    folder = Path(os.path.realpath(tree))
    if not folder.is_dir():
        folder = folder.parent
    return _ask_git(folder) or Commit(_read_head(folder) or _by_name(folder) or os.environ.get(GITSYNC_HASH, ""))


def _ask_git(folder: Path) -> Commit | None:
    shown = _git(folder, "log", "-1", "--no-show-signature", "--format=%H%x00%an%x00%s", "HEAD")
    if shown is None:
        return None
    commit_id, author, subject = shown.rstrip("\n").split("\0", 2)
    dirty = _git(folder, "status", "--porcelain", "--untracked-files=no", "--", ".")
    return Commit(commit_id + ("-dirty" if dirty else ""), author, subject)


def _git(folder: Path, *arguments: str) -> str | None:
    # The checkout is often another user's (git-sync's): git is told that this very directory is meant. Nothing is run from it.
    trusted = ("-c", "safe.directory=*", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null")
    mine = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment = {**mine, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    try:
        done = subprocess.run(
            ["git", *trusted, "-C", str(folder), "--no-pager", *arguments],
            capture_output=True, timeout=_GIT_S, check=False, env=environment, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as problem:
        log.debug("git cannot be asked", problem=str(problem))
        return None
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None


def _read_head(folder: Path) -> str:
    """The commit of a checkout or worktree, without the program."""
    for above in (folder, *folder.parents):
        dot_git = above / ".git"
        try:
            if dot_git.is_dir():
                return _resolve(dot_git)
            if dot_git.is_file():
                return _resolve(above / dot_git.read_text(encoding="utf-8").removeprefix("gitdir:").strip())
        except (OSError, UnicodeDecodeError):
            return ""
    return ""


def _resolve(directory: Path) -> str:
    head = (directory / "HEAD").read_text(encoding="utf-8").strip()
    if not head.startswith("ref:"):
        return head if _HASH.fullmatch(head) else ""
    name = head.removeprefix("ref:").strip()
    common = directory / "commondir"
    places = [directory, directory / common.read_text(encoding="utf-8").strip()] if common.exists() else [directory]
    for place in places:
        if (place / name).is_file():
            return (place / name).read_text(encoding="utf-8").strip()
        packed = place / "packed-refs"
        if packed.is_file():
            for line in packed.read_text(encoding="utf-8").splitlines():
                if line.endswith(f" {name}"):
                    return line.split(" ")[0]
    return ""


def _by_name(folder: Path) -> str:
    """git-sync names a worktree after its commit."""
    return next((part.name for part in (folder, *folder.parents) if _HASH.fullmatch(part.name)), "")
