"""What all tests share: addresses for Channel Access, nothing left behind, no silent skips."""

from __future__ import annotations

import asyncio
import inspect
import os
import threading
import time
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from typing import Any

import pytest
import pytest_asyncio

from tests.ioc import Ioc, port_pool, start_ioc

# libca reads these once per process, at its first use.
port_pool().export(os.environ)

NO_SKIP = os.environ.get("TOCSIN_TEST_NO_SKIP") == "1"
MAY_SKIP = os.environ.get("TOCSIN_TEST_MAY_SKIP", "")
"""A word of the reasons for which a test may be skipped all the same."""
FOREIGN_THREADS = ("Dummy-",)
"""Threads of C libraries (libca) that have called Python once; they are not ours to end."""
GRACE_S = 2.0
"""How long a thread or task that was told to end may take."""


@pytest.fixture
def iocs() -> Iterator[Callable[..., Ioc]]:
    """Starts IOCs like `start_ioc`; all of them end with the test."""
    running: list[Ioc] = []

    def start(db_text: str, prefix: str | None = None, **options: Any) -> Ioc:
        running.append(start_ioc(db_text, prefix, **options))
        return running[-1]

    yield start
    for ioc in running:
        ioc.close()


@pytest.fixture(autouse=True)
def _no_thread_left_behind() -> Iterator[None]:
    """Fails a test that leaves a thread running, also a daemon."""
    before = set(threading.enumerate())
    yield
    left = _left_threads(before)
    deadline = time.monotonic() + GRACE_S
    while left and time.monotonic() < deadline:
        time.sleep(0.01)
        left = _left_threads(before)
    if left:
        pytest.fail(f"threads left running: {', '.join(sorted(thread.name for thread in left))}")


def _left_threads(before: set[threading.Thread]) -> list[threading.Thread]:
    new = set(threading.enumerate()) - before
    return [thread for thread in new if thread.is_alive() and not thread.name.startswith(FOREIGN_THREADS)]


@pytest.fixture(autouse=True)
def _no_task_left_behind(request: pytest.FixtureRequest, _no_thread_left_behind: None) -> None:
    """Fails a test that leaves an asyncio task running; a test without a loop gets none for this."""
    if inspect.iscoroutinefunction(getattr(request, "function", None)):
        request.getfixturevalue("_watch_tasks")


@pytest_asyncio.fixture
async def _watch_tasks() -> AsyncIterator[None]:
    yield
    deadline = time.monotonic() + GRACE_S
    while (left := _left_tasks()) and time.monotonic() < deadline:
        await asyncio.sleep(0.01)
    if left:
        pytest.fail(f"tasks left running: {', '.join(sorted(task.get_name() for task in left))}")


def _left_tasks() -> list[asyncio.Task[object]]:
    return [task for task in asyncio.all_tasks() if task is not asyncio.current_task() and not task.done()]


def _forbid_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    allowed = bool(MAY_SKIP) and MAY_SKIP in str(report.longrepr)
    if NO_SKIP and report.skipped and not allowed and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, but skips are forbidden here (TOCSIN_TEST_NO_SKIP=1): {report.longrepr}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _forbid_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _forbid_skip(report)
    return report
