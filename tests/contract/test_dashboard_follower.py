"""Dashboards that follow the files of a tree, as beside Grafana in a cluster."""

from __future__ import annotations

import asyncio

import pytest

from tocsin.dashboard_follower import DashboardFollower
from tocsin.settings import load

GOOD = "config: Plant\nsystems:\n  Vacuum:\n    pvs:\n      'P:GC1': Pressure\n"


@pytest.fixture
async def follower(tmp_path):
    (tmp_path / "site.yaml").write_text(
        f"configurations: [{{tree: current/tree.yaml, name: Plant}}]\ndashboards: {{out: {tmp_path}/out}}\n"
    )
    follower = DashboardFollower(load(tmp_path / "site.yaml"))
    await follower.start()
    yield follower
    await follower.stop()


def turn(directory, text, number):
    """As git-sync does it: a new directory, then the link."""
    new = directory / str(number)
    new.mkdir()
    (new / "tree.yaml").write_text(text, "utf-8")
    (directory / "next").symlink_to(new)
    (directory / "next").rename(directory / "current")


async def until(condition):
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.02)


def made(directory):
    """All dashboards in one text."""
    return "".join(path.read_text("utf-8") for path in sorted((directory / "out/dashboards/Plant").glob("*.json")))


async def test_they_come_with_the_first_files_and_follow_good_ones(tmp_path, follower):
    turn(tmp_path, GOOD, 1)
    await until(lambda: "Vacuum" in made(tmp_path))
    turn(tmp_path, GOOD + "  RF: {pvs: {'P:K1': {delay: soon}}}\n", 2)
    turn(tmp_path, GOOD + "  Cryo:\n    pvs: {'P:T1': Temperature}\n", 3)
    await until(lambda: "Cryo" in made(tmp_path))
    assert "P:K1" not in made(tmp_path)
    assert follower.failure() is None


async def test_files_with_errors_leave_what_is_there(tmp_path, follower, capsys, caplog):
    turn(tmp_path, GOOD, 1)
    await until(lambda: "Vacuum" in made(tmp_path))
    capsys.readouterr()
    turn(tmp_path, GOOD + "  RF: {pvs: {'P:K1': {delay: soon}}}\n", 2)
    said = []

    def told():
        said.append(capsys.readouterr().out + caplog.text)  # wherever logs go in this process
        return "its dashboards stay as they are" in "".join(said)

    await until(told)
    assert "RF" not in made(tmp_path)
