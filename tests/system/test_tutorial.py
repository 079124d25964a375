"""The tutorial works as it stands: a reader who types what it says sees what it says."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ioc import port_pool
from tests.system.tutorial import Reader, blocks, is_in, with_our_programs

PAGE = (Path(__file__).parents[2] / "docs/tutorial/first-alarms.md").read_text("utf-8")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    ioc, web = port_pool().take(), free_port()
    # The reader of the page sets the addresses himself; what the tests have must not help him.
    environment = {name: value for name, value in os.environ.items() if name not in ("EPICS_CA_ADDR_LIST", "EPICS_CA_AUTO_ADDR_LIST")}
    replaced = {"make demo": f"tocsin demo --port {web}", "5064": str(ioc), "8080": str(web)}
    reader = Reader(tmp_path, replaced, with_our_programs(environment))
    try:
        yield reader
    finally:
        reader.close()
        port_pool().give_back(ioc)


@pytest.mark.system
@pytest.mark.timeout(300)
def test_every_command_does_what_the_tutorial_says(reader):
    reader.follow(PAGE)


def test_the_tutorial_is_executed_nearly_whole():
    found = blocks(PAGE)
    assert PAGE.count("\n```") == 2 * len(found)
    assert sum(block.mark == "skip" for block in found) == 1
    assert all(block.commands for block in found if block.language == "console" and block.mark != "stop")


@pytest.mark.system
@pytest.mark.parametrize(
    "wrong",
    [
        "```console\n$ false\n```\n",
        "```console\n$ echo one\ntwo\n```\n",
        "```console background\n$ echo one\ntwo\n```\n",
        "```console sometimes\n$ true\n```\n",
    ],
)
def test_a_command_that_does_something_else_is_noticed(reader, wrong):
    with pytest.raises(AssertionError, match="line 3"):
        reader.follow("# Page\n\n" + wrong)


@pytest.mark.system
def test_directory_variables_and_files_stay(reader):
    before = "```console\n$ export A=1\n$ mkdir there\n$ cd there\n```\n"
    reader.follow(before + "```text file=x\ny\n```\n```console\n$ cat x && echo $A\ny\n1\n```\n")
    assert (reader.directory / "x").read_text("utf-8") == "y\n"


def test_dots_stand_for_anything():
    assert is_in('{"a":...,"c":2', '{"a":1,"b":0,"c":2}')
    assert not is_in('{"a":...,"c":3', '{"a":1,"b":0,"c":2}')
    assert is_in("one\n two", "zero one two")
    assert not is_in("two ... one", "one two")
