"""`tocsin run`: engine, history and backend for a site's own PVs and tree, in one process and one file."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from tocsin import logs
from tocsin.application import Application
from tocsin.settings import Settings, load


def run(
    settings: Annotated[Path, typer.Option("--settings", "-s", help="Settings file.", show_default=False)],
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port to listen on, instead of the one in the settings.")] = None,
) -> None:
    """Watch the PVs of a site: engine, history and web side in one process, one SQLite file.

    Ctrl-C ends it. The alarm tree is read again whenever one of its files changes.
    """
    chosen = load(settings)
    if port is not None:
        chosen = chosen.model_copy(update={"backend": chosen.backend.model_copy(update={"port": port})})
    logs.set_up(chosen.log.level, chosen.log.form)
    asyncio.run(serve(chosen, _tell))


def _tell(application: Application) -> None:
    console = Console()
    console.print(f"[bold]tocsin[/] is watching. Open {application.url}")
    if application.faults:
        entries = "1 entry" if application.faults == 1 else f"{application.faults} entries"
        console.print(f"[bold yellow]{entries} of the alarm tree left out because of faults:[/] see above, or `tocsin config check`")


async def serve(settings: Settings, started: Callable[[Application], None]) -> None:
    """Run until a signal or until a part that must not end has ended; raises what ended it."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    application = Application(settings)
    try:
        starting = asyncio.create_task(application.start())
        asked = asyncio.create_task(stopping.wait())
        await asyncio.wait({starting, asked}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            await starting
            started(application)
            await application.wait(stopping)
        else:
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
        asked.cancel()
    finally:
        await application.stop()
