"""Every public name of the Python client has a docstring with an example, and every example is run against a live site."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import dataclasses
import doctest
import inspect
import io
import re
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

from tests.contract.docstring_examples import run_examples
from tests.contract.documented_site import documented_site
from tocsin import client
from tocsin.client import asynchronous, frames, synchronous

OF_KAFKA = {"AsyncKafkaClient", "KafkaClient", "KafkaStatus", "PastRead"}
"""They need a broker: their examples are run beside their tests."""
HOW_TO = Path(__file__).parents[2] / "docs/how-to/use-the-python-client.md"


def public() -> dict[str, Any]:
    """All that users may use, by name: classes, and their methods and properties."""
    found = {name: getattr(client, name) for name in client.__all__ if name not in OF_KAFKA}
    found |= {f"frames.{name}": getattr(frames, name) for name in frames.__all__}
    for name, thing in list(found.items()):
        if inspect.isclass(thing):
            found |= {f"{name}.{method}": getattr(thing, method) for method in members(thing)}
    return found


def members(kind: type) -> list[str]:
    """Methods and properties that are written down; fields and words have lines of their own, which the reference shows."""
    fields = {field.name for field in dataclasses.fields(kind)} if dataclasses.is_dataclass(kind) else set()
    words = set(kind.__members__) if issubclass(kind, Enum) else set()
    names = [name for name in dir(kind) if not name.startswith("_") and name not in fields | words]
    return [name for name in names if any(name in vars(base) and base.__module__.startswith("tocsin") for base in kind.__mro__)]


PUBLIC = public()
EXAMPLES = {name: thing for name, thing in PUBLIC.items() if not name.startswith("Async") and name != "Update"}
AWAITING = {name: thing for name, thing in PUBLIC.items() if name.startswith("Async")}


@pytest.fixture(scope="module")
def site():
    with documented_site() as site:
        yield site


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_has_an_example(name):
    if name == "Update":  # a union has no docstring that can be read
        return
    text = inspect.getdoc(PUBLIC[name]) or ""
    assert text.split(">>>")[0].strip(), f"{name} says nothing"
    assert ">>> " in text, f"{name} has no example"


@pytest.mark.parametrize("name", AWAITING)
async def test_every_example_that_awaits_is_true(name, site):
    async with client.AsyncClient(site.url, user="docs") as own:
        text = (inspect.getdoc(AWAITING[name]) or "").replace("asyncio.run(", "await (")
        assert await run_examples(text, site.names() | {"client": own}, name)
    await asyncio.to_thread(site.restore)


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_is_true(name, site):
    text = inspect.getdoc(PUBLIC[name]) or ""
    parsed = doctest.DocTestParser().get_doctest(text, site.names() | {"frames": frames}, name, None, None)
    told: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    result = runner.run(parsed, out=told.append)
    site.restore()
    assert result.failed == 0, "".join(told)
    assert result.attempted > 0


def blocks() -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", HOW_TO.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def test_the_code_of_the_how_to_is_right(site):
    """All of it can be read, and what comes to an end by itself is run."""
    names = site.names() | {"frame": frames.frame}
    with contextlib.redirect_stdout(io.StringIO()):
        for block in blocks():
            text = block.replace("/Site/Cooling", "/Acc/Vacuum").replace("/Site", "/Acc").replace("http://127.0.0.1:8080", site.url)
            text = text.replace("datetime.now(UTC) - timedelta(minutes=5)", "datetime.now(UTC)")  # this site is younger
            code = compile(text, str(HOW_TO), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            if "subscribe" not in text:
                exec(code, dict(names))
    site.restore()
    assert len(blocks()) > 5


def test_the_client_without_asyncio_has_the_same_examples():
    of_both = (client.AsyncClient, client.Client), (client.AsyncSubscription, client.Subscription), (client.AsyncPages, client.Pages)
    for kind, other in of_both:
        for method in members(kind):
            plain = {"aclose": "close"}.get(method, method)
            asked = (inspect.getdoc(getattr(kind, method)) or "").count(">>>")
            assert asked == (inspect.getdoc(getattr(other, plain)) or "").count(">>>"), method
    assert asynchronous.__doc__
    assert synchronous.__doc__
