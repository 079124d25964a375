"""The Python client as a package: light to import, typed, and both kinds of clients from one source."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import tocsin
from tests import synchronous_client

ROOT = Path(__file__).parents[2]
HEAVY = {
    "asyncio", "backend", "confluent_kafka", "dashboards", "elasticsearch", "epics", "epicscorelibs", "fastapi", "grafanalib", "httpcore",
    "httpx", "jinja2", "orjson", "pandas", "provisioning", "pydantic", "pydantic_settings", "rich", "sqlite3", "ssl", "starlette",
    "tenacity", "typer", "uvicorn", "yaml",
}  # fmt: skip
"""What an import must not load: most of them take longer than the whole client."""
OF_KAFKA = {"asyncio", "ssl"}
"""Light enough for clients that run a loop of their own."""
IMPORTS = [
    "import tocsin",
    "import tocsin.client",
    "import tocsin.client.frames",
    *(f"from tocsin import {name}" for name in tocsin.__all__),
]


@pytest.mark.parametrize("statement", IMPORTS)
def test_an_import_loads_nothing_heavy(statement):
    heavy = HEAVY - OF_KAFKA if "Kafka" in statement else HEAVY
    script = f"import sys; {statement}; print(*sorted({heavy!r} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    assert result.stdout.split() == []


def test_the_synchronous_client_is_the_one_of_the_source():
    committed = {module.name: module.read_text(encoding="utf-8") for module in synchronous_client.TARGET.glob("*.py")}
    assert committed == synchronous_client.written(), "run make client, and commit what it wrote"


def test_the_synchronous_client_waits_for_nothing():
    for module in synchronous_client.TARGET.glob("*.py"):
        assert not re.findall(r"\b(async|await|asyncio|Async\w+|aclose)\b", module.read_text(encoding="utf-8").partition('"""\n')[2]), (
            module
        )


def test_types_are_for_users_too():
    for package in ("tocsin", "alarm_engine"):
        assert (ROOT / package / "py.typed").exists()


def test_a_name_that_is_not_there():
    with pytest.raises(AttributeError, match="nonsense"):
        _ = tocsin.nonsense  # type: ignore[attr-defined]
