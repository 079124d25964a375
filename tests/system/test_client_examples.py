"""The example scripts and the notebook of the Python client, run as a user runs them, against a live site."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_string
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import nbformat
import pytest
from aiosmtpd.controller import Controller
from nbclient import NotebookClient

from alarm_engine.model.severity import Severity
from tests.contract.documented_site import GC1, GC10, P1, documented_site
from tests.kafka_broker import free_ports

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]

EXAMPLES = Path(__file__).parents[2] / "examples"
SCRIPTS = sorted((EXAMPLES / "scripts").glob("*.py"))
NOWHERE = "http://127.0.0.1:9"
PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def site():
    with documented_site() as site:
        yield site


@pytest.fixture(autouse=True)
def _as_it_was(site):
    yield
    site.restore()


def started(name: str, *given: str, url: str) -> subprocess.Popen[str]:
    """A script that runs."""
    return subprocess.Popen(
        # Where tests run in the background Ctrl-C may be ignored, and whoever is started would ignore it too.
        ["env", "--default-signal=INT", sys.executable, EXAMPLES / "scripts" / f"{name}.py", *given],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TOCSIN_URL": url},
    )


def run(name: str, *given: str, url: str) -> tuple[int, str, str]:
    """A script to its end: exit status and both outputs."""
    with started(name, *given, url=url) as process:
        output, problems = process.communicate(timeout=PATIENCE_S)
        return process.returncode, output, problems


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_every_script_says_what_it_does(script):
    status, output, _ = run(script.stem, "--help", url=NOWHERE)
    assert status == 0
    assert "--url" in output
    assert os.access(script, os.X_OK)


@pytest.mark.parametrize("given", [("mirror_severities",), ("wait_until_clear", "/Acc")])
def test_a_site_that_is_away_is_told_in_a_sentence(given):
    status, _, problems = run(*given, url=NOWHERE)
    assert status == 2
    assert f"{NOWHERE} cannot be reached" in problems
    assert "Traceback" not in problems


# ---------------------------------------------------------------- mail


class Mails:
    """What came to a mail server."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        self.texts.append(envelope.content.decode())
        return "250 taken"


@contextmanager
def mail_server():
    mails = Mails()
    (port,) = free_ports(1)
    controller = Controller(mails, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield mails, f"127.0.0.1:{port}"
    finally:
        controller.stop()


MAIL = ("mail_unacknowledged", "--to", "shift@lab.example", "--from", "tocsin@lab.example", "--smtp")


def test_what_is_not_acknowledged_is_mailed(site):
    with mail_server() as (mails, address):
        assert run(*MAIL, address, url=site.url) == (0, "", "")
        (mail,) = mails.texts
        assert "Subject: [alarms] 1 alarm not acknowledged" in mail
        assert "To: shift@lab.example" in mail
        sent = parsedate_to_datetime(message_from_string(mail)["Date"])
        assert abs(datetime.now(UTC) - sent) < timedelta(minutes=5)
        assert re.search(r"^MAJOR +\d{4}-\d\d-\d\d \d\d:\d\d \S+ ", mail, re.MULTILINE), "year and zone are there"
        assert GC1 in mail
        assert P1 not in mail


def test_no_mail_if_nothing_stands_but_one_if_nobody_knows(site):
    with mail_server() as (mails, address):
        assert run(*MAIL, address, "--path", "/Acc/RF", "--only-if-any", url=site.url)[0] == 0
        assert not mails.texts
        assert run(*MAIL, address, "--path", "/Acc/RF", url=site.url)[0] == 0
        assert "No alarm waits to be acknowledged" in mails.texts[0]
        assert run(*MAIL, address, "--only-if-any", url=NOWHERE)[0] == 0
        assert "Subject: [alarms] Alarms are not known" in mails.texts[1]


def test_a_mail_says_that_it_cannot_be_relied_upon():
    with documented_site() as site, mail_server() as (mails, address):
        site.run(site.site.stop_engine())
        wait_until(lambda: site.client.summary().stale)
        assert run(*MAIL, address, "--path", "/Acc/RF", "--only-if-any", url=site.url)[0] == 0
        assert "Subject: [alarms] OLD: No alarm waits" in mails.texts[0]
        assert "DO NOT RELY ON THIS" in mails.texts[0]
        status, _, problems = run("wait_until_clear", "/Acc/INTERLOCK", "--timeout", "1", url=site.url)
        assert (status, problems) == (1, "/Acc/INTERLOCK is not clear: not all is known of it\n")


def test_a_mail_server_that_is_away_is_told(site):
    status, _, problems = run(*MAIL, "127.0.0.1:9", url=site.url)
    assert (status, "Traceback" in problems) == (2, False)
    assert "the mail could not be sent by 127.0.0.1:9" in problems


# ---------------------------------------------------------------- mirror


def test_severities_are_mirrored_into_a_log(site, tmp_path):
    log = tmp_path / "severities.log"
    with started("mirror_severities", "/Acc/Vacuum", "--log", str(log), url=site.url) as process:
        wait_until(lambda: log.exists() and GC10 in log.read_text())
        site.client.acknowledge(GC1)
        wait_until(lambda: f"MAJOR_ACK {GC1}\n" in log.read_text())
        site.run(_feeds(site, "GC2"))
        wait_until(lambda: "MINOR /Acc/Vacuum/GC2\n" in log.read_text())
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""
    first, *_ = log.read_text().splitlines()
    assert first.split()[1:] == ["MAJOR", GC1]
    site.run(_feeds(site, "GC2", Severity.OK))


async def _feeds(site, pv: str, severity: Severity = Severity.MINOR) -> None:
    site.site.feed(pv, severity)


# ---------------------------------------------------------------- wait


def test_a_script_waits_until_a_subsystem_is_clear(site):
    assert run("wait_until_clear", "/Acc/INTERLOCK", url=site.url) == (0, "", "")
    assert run("wait_until_clear", "/Acc/RF", "--acknowledged-is-clear", url=site.url)[0] == 0
    status, _, problems = run("wait_until_clear", "/Acc/Vacuum", "--timeout", "0", url=site.url)
    assert (status, problems) == (1, f"/Acc/Vacuum is not clear: {GC1}\n")
    with started("wait_until_clear", "/Acc/Vacuum", "--acknowledged-is-clear", url=site.url) as process:
        before = time.monotonic()
        wait_until(lambda: _streams(site) or process.poll() is not None)
        assert process.poll() is None
        site.client.acknowledge(GC1)
        assert process.wait(PATIENCE_S) == 0
        assert time.monotonic() - before < PATIENCE_S
    status, _, problems = run("wait_until_clear", "/Acc/none", url=site.url)
    assert (status, problems) == (2, "there is no alarm and no component /Acc/none\n")


def _streams(site) -> bool:
    """Somebody follows."""
    return site.client._connection.answer("GET", "metrics").text.count("tocsin_streams 1.0") == 1


def wait_until(condition) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "in vain"
        time.sleep(0.02)


# ---------------------------------------------------------------- notebook


def test_the_notebook_runs_and_shows_pictures(site, monkeypatch):
    monkeypatch.setenv("TOCSIN_URL", site.url)
    monkeypatch.setenv("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    notebook = nbformat.read(EXAMPLES / "notebooks" / "alarms.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "it is committed without outputs"
    asyncio.run(NotebookClient(notebook, timeout=200, kernel_name="python3").async_execute())
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    pictures = [output for output in outputs if "image/png" in output.get("data", {})]
    assert len(pictures) == 2
    tables = "".join(output["data"].get("text/html", "") for output in outputs if "data" in output)
    for text in (GC1, "Pressure of sector 1", "Annunciated per day", "at most 144"):
        assert text in tables
