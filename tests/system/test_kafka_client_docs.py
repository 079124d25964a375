"""What is said of the clients straight from Kafka, run against a real broker and a real engine."""

from __future__ import annotations

import ast
import asyncio
import doctest
import inspect
import re
import uuid
from functools import partial
from pathlib import Path

import pytest

from alarm_engine.journal.kafka_settings import KafkaSettings
from alarm_engine.model.severity import Severity
from tests.contract.docstring_examples import run_examples
from tests.contract.journals import until as until_within
from tests.contract.kafka_topics import servers_or_skip
from tests.kafka_broker import random_topic
from tests.system.machines import configure, machine
from tocsin import client as library
from tocsin.client.kafka import AsyncKafkaClient, KafkaClient
from tocsin.client.kafka_options import KafkaOptions

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]
until = partial(until_within, deadline_s=120)
PATIENT = {"write_timeout_s": 60.0, "request_timeout_s": 20.0, "session_s": 20.0}
"""Of the engines: the machine may have much else to do."""

PAGE = Path(__file__).parents[2] / "docs/how-to/read-alarms-from-kafka.md"
OWN = ("close", "past", "read_past", "status", "url", "wait_ready")
NAMES = {"KafkaClient": library.KafkaClient, "KafkaStatus": library.KafkaStatus, "PastRead": library.PastRead} | {
    f"KafkaClient.{name}": getattr(KafkaClient, name) for name in OWN
}


def own(name: str) -> str:
    return {"close": "aclose"}.get(name, name)


@pytest.mark.parametrize("name", OWN)
def test_both_have_the_same_methods_and_examples(name):
    plain, other = (inspect.getdoc(getattr(kind, what)) for kind, what in ((KafkaClient, name), (AsyncKafkaClient, own(name))))
    assert plain.count(">>>") == other.count(">>>") > 0


def test_every_argument_is_on_the_page():
    text = PAGE.read_text(encoding="utf-8")
    given = [name for name in inspect.signature(KafkaClient.__init__).parameters if name not in ("self", "options")]
    missing = [name for name in [*given, *KafkaOptions.__annotations__] if f"`{name}`" not in text]
    assert not missing


def python_blocks() -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("block", python_blocks())
def test_examples_of_the_page_use_what_there_is(block):
    """Each is a program, and each method of a client that it calls is one."""
    for call in (node for node in ast.walk(ast.parse(block)) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
        if isinstance(call.func.value, ast.Name) and call.func.value.id == "client":
            method = getattr(KafkaClient, call.func.attr)
            known = inspect.signature(method).parameters
            assert all(keyword.arg in known for keyword in call.keywords), ast.unparse(call)


async def test_every_example_is_true():
    settings = KafkaSettings(servers_or_skip(), name="engine-a", cell=random_topic("cell"), **PATIENT)
    config = f"Acc{uuid.uuid4().hex[:6]}"
    await configure(settings, config)
    async with machine(settings, config) as engine:
        await until(lambda: engine.engine.runners)
        engine.source.put("GC1", Severity.MAJOR, "HIHI_ALARM")
        engine.source.put("GC2", Severity.OK, "NO_ALARM", value="1")
        await until(lambda: engine.engine.runners[0].evaluator.tree.leaves[f"/{config}/Vacuum/GC1"].logic.alarm.severity is Severity.MAJOR)
        await asyncio.to_thread(run_plain_examples, settings, config)
        await run_awaiting_examples(settings, config)


async def run_awaiting_examples(settings: KafkaSettings, config: str) -> None:
    things = {"AsyncKafkaClient": AsyncKafkaClient, **{own(name): getattr(AsyncKafkaClient, own(name)) for name in OWN}}
    for name, thing in things.items():
        text = example_of(thing, config).replace("asyncio.run(", "await (")
        async with AsyncKafkaClient(settings.servers, config=config, cell=settings.cell, start_s=60) as client:
            await client.wait_ready(60)
            names = {
                **vars(library),
                "client": client,
                "servers": settings.servers,
                "cell": settings.cell,
                "AsyncKafkaClient": AsyncKafkaClient,
            }
            assert await run_examples(text, names, name)


def example_of(thing: object, config: str) -> str:
    return (inspect.getdoc(thing) or "").replace("'Acc'", f"'{config}'").replace('"Acc"', f'"{config}"')


def run_plain_examples(settings: KafkaSettings, config: str) -> None:
    for name, thing in NAMES.items():
        text = example_of(thing, config)
        with KafkaClient(settings.servers, config=config, cell=settings.cell, start_s=60) as client:
            client.wait_ready(60)
            names = {"client": client, "servers": settings.servers, "cell": settings.cell, **vars(library)}
            names["KafkaClient"] = KafkaClient
            told: list[str] = []
            result = doctest.DocTestRunner().run(doctest.DocTestParser().get_doctest(text, names, name, None, None), out=told.append)
            assert result.failed == 0, "".join(told)
            assert result.attempted > 0
