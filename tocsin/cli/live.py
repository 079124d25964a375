"""Opens the live table. It is loaded only for that: its toolkit takes a while."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence

from alarm_engine.errors import TocsinError
from alarm_engine.model.path import split
from tocsin.cli.reaching import Reach
from tocsin.cli.resolving import hinting, resolve
from tocsin.client.types import Severity
from tocsin.terminal.app import LiveTable
from tocsin.terminal.rows import View, Wish

_VIEWS = {
    frozenset({"active"}): View.ACTIVE,
    frozenset({"acknowledged"}): View.ACKNOWLEDGED,
    frozenset({"shelved"}): View.SHELVED,
    frozenset({"disabled"}): View.SHELVED,
    frozenset({"shelved", "disabled"}): View.SHELVED,
}


def show_live(reach: Reach, path: str | None, *, state: Sequence[str], severity: Sequence[str], text: str, user: str | None) -> None:
    """Show the table until the user ends it.

    Raises `TocsinError` if the site can not be reached at the start, and for a path that is not there. `state` chooses the view that is
    shown first; `severity` and `text` narrow it.
    """
    names, path = _looked_up(reach, path)
    wish = Wish(_VIEWS.get(frozenset(state), View.STANDING), severities=frozenset(map(Severity, severity)), path=path).searching(text)
    asyncio.run(_run(reach, names, wish, user))


def _looked_up(reach: Reach, text: str | None) -> tuple[list[str], str | None]:
    """Names of the configurations to follow, and the path that is meant: what is wrong is told before the screen is taken."""
    with reach.open() as client, hinting(client, text, reach.config):
        names = [one.name for one in client.configurations()]
        path = None if text is None else resolve(client, text, reach.config)
        wanted = split(path)[0] if path is not None else reach.config
        if wanted is not None and wanted not in names:
            raise TocsinError(f"there is no configuration {wanted}, only {', '.join(names) or 'none at all'}")
        if path is not None:
            client.alarms(path, limit=1)
        return [wanted] if wanted is not None else names, path


async def _run(reach: Reach, names: Sequence[str], wish: Wish, user: str | None) -> None:
    async with reach.open_async() as client:
        light = _is_light(os.environ.get("COLORFGBG", ""))
        await LiveTable(client, names, wish, user=user, light=light).run_async()


def _is_light(colours: str) -> bool:
    """Whether the terminal says (`COLORFGBG=0;15`) that its background is light; 7 and 15 are the light ones."""
    return colours.rpartition(";")[2] in ("7", "15")
