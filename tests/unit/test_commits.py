"""The commit of the files of a tree: from git, or from what git-sync leaves where there is no git."""

from __future__ import annotations

import os
import subprocess

import pytest

from alarm_engine.wire.revision import Commit
from tocsin.commits import find_commit


def git(folder, *arguments: str) -> str:
    identity = ("-c", "user.name=Mara", "-c", "user.email=mara@lab.example", "-c", "init.defaultBranch=main")
    mine = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True, env=mine).stdout.strip()


@pytest.fixture
def checkout(tmp_path):
    folder = tmp_path / "repo"
    (folder / "alarms").mkdir(parents=True)
    git(folder, "init", "-q")
    (folder / "alarms" / "tree.yaml").write_text("config: Demo\n")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "Add the tree\n\nMore words.")
    return folder


def test_a_checkout_tells_id_author_and_subject_and_changes_that_are_not_committed(checkout):
    head = git(checkout, "rev-parse", "HEAD")
    tree = checkout / "alarms" / "tree.yaml"
    assert find_commit(tree) == find_commit(tree.parent) == Commit(head, "Mara", "Add the tree")
    tree.write_text("config: Other\n")
    assert find_commit(tree).id == f"{head}-dirty"


@pytest.mark.parametrize("packed", [False, True])
def test_without_the_program_the_id_is_read(checkout, monkeypatch, packed):
    head = git(checkout, "rev-parse", "HEAD")
    if packed:
        git(checkout, "pack-refs", "--all")
    monkeypatch.setenv("PATH", "/nonexistent")
    assert find_commit(checkout / "alarms" / "tree.yaml") == Commit(head)


@pytest.mark.parametrize("program", [True, False], ids=["with git", "without"])
def test_a_worktree_of_git_sync_behind_its_link(checkout, tmp_path, monkeypatch, program):
    head = git(checkout, "rev-parse", "HEAD")
    worktree = tmp_path / ".worktrees" / head
    git(checkout, "worktree", "add", "-q", "--detach", str(worktree))
    (tmp_path / "current").symlink_to(worktree)
    if not program:
        monkeypatch.setenv("PATH", "/nonexistent")
    assert find_commit(tmp_path / "current" / "alarms" / "tree.yaml").id == head


def test_where_only_the_name_or_the_environment_tells(tmp_path, monkeypatch):
    name = "8f4e2b6c1d0a9e8f7b6c5d4e3f2a1b0c9d8e7f6a"
    (tmp_path / name / "alarms").mkdir(parents=True)
    (tmp_path / "plain").mkdir()
    monkeypatch.setenv("PATH", "/nonexistent")
    assert find_commit(tmp_path / name / "alarms" / "tree.yaml").id == name
    assert find_commit(tmp_path / "plain") == Commit()
    monkeypatch.setenv("GITSYNC_HASH", name)
    assert find_commit(tmp_path / "plain") == Commit(name)
    assert find_commit(tmp_path / "plain", "v12") == Commit("v12")
