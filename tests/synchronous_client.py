"""Writes the synchronous client out of the one for asyncio: `make client`. A test compares what is committed with what this writes."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

import unasync

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "tocsin" / "client" / "asynchronous"
TARGET = ROOT / "tocsin" / "client" / "synchronous"

_NAMES = {
    "AsyncAsk": "Ask",
    "AsyncAsker": "Asker",
    "AsyncBaseTransport": "BaseTransport",
    "AsyncClient": "Client",
    "AsyncCommands": "Commands",
    "AsyncConnection": "Connection",
    "AsyncFigureQuestions": "FigureQuestions",
    "AsyncIterator": "Iterator",
    "AsyncLiveQuestions": "LiveQuestions",
    "AsyncPages": "Pages",
    "AsyncPastQuestions": "PastQuestions",
    "AsyncRetrying": "Retrying",
    "AsyncSubscribing": "Subscribing",
    "AsyncSubscription": "Subscription",
    "AsyncUpdates": "Updates",
    "aclose": "close",
    "aclosing": "closing",
    "aiter_bytes": "iter_bytes",
    "aread": "read",
    "async_sleep": "sleep",
    "asynccontextmanager": "contextmanager",
    "asynchronous": "synchronous",
}
_PROSE = (
    (r"\n *>>> import asyncio\b", ""),
    (r"asyncio\.run\((.*)\)", r"\1"),
    (r"\basync (def|with|for)\b", r"\1"),
    (r"\banext\(", "next("),
    (r"\bawait ", ""),
    (r"\baclose\b", "close"),
)
"""In docstrings, where there are no tokens."""
_PACKAGE = '"""The client without asyncio. Written by `make client` from `tocsin/client/asynchronous`: edit that."""\n'


def written() -> dict[str, str]:
    """Text of each module, by its name."""
    with tempfile.TemporaryDirectory() as directory:
        source, target = Path(directory, "asynchronous"), Path(directory, "synchronous")
        source.mkdir()
        target.mkdir()
        for module in sorted(SOURCE.glob("*.py")):
            (source / module.name).write_text(module.read_text(encoding="utf-8"), encoding="utf-8")
        rule = unasync.Rule(f"{source}/", f"{target}/", _NAMES)
        unasync.unasync_files([str(module) for module in source.glob("*.py")], [rule])
        (target / "__init__.py").write_text(_PACKAGE, encoding="utf-8")
        for module in target.glob("*.py"):
            module.write_text(_in_prose(module.read_text(encoding="utf-8")), encoding="utf-8")
        for step in (["check", "--quiet", "--fix-only"], ["format", "--quiet"]):
            subprocess.run([sys.executable, "-m", "ruff", *step, "--config", str(ROOT / "pyproject.toml"), str(target)], check=True)
        return {module.name: module.read_text(encoding="utf-8") for module in sorted(target.glob("*.py"))}


def _in_prose(text: str) -> str:
    for pattern, replacement in _PROSE:
        text = re.sub(pattern, replacement, text)
    for name, other in _NAMES.items():
        text = re.sub(rf"\b{name}\b", other, text)
    return text


def main() -> None:
    """Write them."""
    TARGET.mkdir(exist_ok=True)
    texts = written()
    for name, text in texts.items():
        (TARGET / name).write_text(text, encoding="utf-8")
    for old in TARGET.glob("*.py"):
        if old.name not in texts:
            old.unlink()


if __name__ == "__main__":
    main()
