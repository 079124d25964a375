"""`tocsin demo`: the same as `run`, with a small accelerator to watch."""

from __future__ import annotations

import asyncio
import shutil
import sys
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer
from rich.console import Console
from rich.panel import Panel
from rich.table import Table

from tocsin import logs
from tocsin.application import Application
from tocsin.demo.machine import Group
from tocsin.demo.machine_process import DemoMachine
from tocsin.demo.site import demo_settings, forget, write_settings
from tocsin.serving import serve

_WHAT_TO_TRY = (
    ("Open", "{url}/"),
    ("Try", "Select an alarm and acknowledge it, shelve one that chatters, read its guidance."),
    ("", "Stop with Ctrl-C and start again: acknowledgements and history are still there."),
    ("", "Edit {tree}: the change is in force in seconds."),
    ("", "curl '{url}/api/v1/alarms?limit=3'"),
    ("", "In another terminal: {tocsin} alarms -s {settings}"),
    ("", "{tocsin} doctor -s {settings}"),
    ("Grafana", "Dashboards and provisioning are in {grafana} (docs/how-to/connect-grafana.md)."),
    ("Store", "{store}"),
)


def demo(
    directory: Annotated[Path, typer.Option("--dir", metavar="DIR", help="Where the demo keeps its files.")] = Path("tocsin-demo"),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the web side; 0: any free one.")] = 8080,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget what an earlier demo left in the directory.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show the log.")] = False,
) -> None:
    """Run a small accelerator of about 200 PVs, and everything that watches it.

    A real IOC with Channel Access on loopback, the engine, the web side, generated dashboards. Nothing leaves this machine.
    """
    if fresh:
        forget(directory)
    logs.set_up("info" if verbose else "error", "auto")
    machine = DemoMachine()
    machine.start()
    try:
        settings = demo_settings(directory, machine.addresses, port)

        def tell(application: Application) -> None:
            values = {
                "tocsin": _program(sys.argv[0]),
                "url": application.url.rstrip("/"),
                "grafana": _short(directory / "grafana"),
                "tree": _short(settings.configurations[0].tree or Path()),
                "store": _short(settings.store),
                "settings": _short(write_settings(directory, settings, urlsplit(application.url).port or port)),
            }
            lines = Table.grid(padding=(0, 2))
            for title, text in _WHAT_TO_TRY:
                lines.add_row(f"[bold]{title}[/]", text.format(**values))
            Console().print(Panel(lines, title="tocsin demo", subtitle="Ctrl-C ends it", expand=False, padding=(1, 2)))

        asyncio.run(serve(Application(settings), tell))
    finally:
        machine.stop()


def demo_ioc(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port for Channel Access.")] = 5064,
    address: Annotated[str, typer.Option("--address", help="Address to serve on; 0.0.0.0: all of this machine.")] = "127.0.0.1",
    group: Annotated[Group, typer.Option("--group", help="Which part of the machine.")] = Group.MAIN,
) -> None:
    """Run only an IOC of the demo machine, for a demo whose parts are in containers. Clients find it by EPICS_CA_NAME_SERVERS."""
    from tocsin.demo.ioc import run_until_told

    run_until_told(group, port, address)


def _program(called: str) -> str:
    """How this program can be called again: by its name only where that finds it."""
    found = shutil.which("tocsin")
    is_path = Path(called).name == "tocsin" and Path(called).exists()
    return "tocsin" if not is_path or (found and Path(found).samefile(called)) else _short(Path(called))


def _short(path: Path) -> str:
    try:
        return str(path.absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
