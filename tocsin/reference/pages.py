"""All generated pages, and writing them."""

from __future__ import annotations

from pathlib import Path

from tocsin.cli.commands import whole
from tocsin.reference.cli_page import cli_page
from tocsin.reference.client_page import client_page
from tocsin.reference.events_page import events_page
from tocsin.reference.metrics_page import metrics_page
from tocsin.reference.records_page import records_page
from tocsin.reference.settings_page import settings_page, settings_schema

DIRECTORY = Path(__file__).parents[2] / "docs" / "reference"


def pages() -> dict[str, str]:
    """Names of files with what stands in them."""
    return {
        "cli.md": cli_page(whole()),
        "events.md": events_page(),
        "metrics.md": metrics_page(),
        "python-client.md": client_page(),
        "records.md": records_page(),
        "settings.md": settings_page(),
        "settings.schema.json": settings_schema(),
    }


def write(directory: Path) -> list[Path]:
    """Write what differs; returns the files written."""
    directory.mkdir(parents=True, exist_ok=True)
    written = []
    for name, text in pages().items():
        path = directory / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            written.append(path)
    return written
