"""Messages that the documentation quotes are those of the code."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "docs/how-to/when-something-is-wrong.md", ROOT / "docs/how-to/protect-it.md"]
PACKAGES = ("alarm_engine", "backend", "dashboards", "provisioning", "tocsin")
QUOTED = [
    (page.stem, line)
    for page in PAGES
    for block in re.findall(r"^```text\n(.*?)^```", page.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    for line in block.splitlines()
]


def texts_of_code() -> str:
    """Every text of the Python code, concatenated where the code does, and the scripts of the page as they are."""
    found = [path.read_text("utf-8") for path in (ROOT / "backend/web/static").glob("*.js")]
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            tree = ast.parse(path.read_text("utf-8"))
            docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
            texts = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in docstrings]
            found += [node.value for node in texts if isinstance(node.value, str)]
    return "\n".join(found)


CODE = texts_of_code()


def missing(line: str) -> list[str]:
    return [part for part in (piece.strip() for piece in line.split("...")) if part and part not in CODE]


@pytest.mark.parametrize(("page", "line"), QUOTED)
def test_a_quoted_message_stands_in_the_code(page, line):
    assert missing(line) == [], f"{page}: the code no longer says this"


def test_there_are_messages_and_a_wrong_one_is_found():
    assert len(QUOTED) > 15
    assert missing("port ... on ... is in use by a zebra") == ["is in use by a zebra"]
