"""`tocsin doctor`: everything that a site needs, looked at, with what to do about what is wrong."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import orjson
import structlog
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from alarm_engine.errors import SettingsError
from tocsin.cli.printing import console, plain
from tocsin.examination.checks import checks, checks_without_site
from tocsin.examination.finding import Finding, Verdict, fault
from tocsin.examination.running import Check, Examined, examine
from tocsin.examination.site import Role, Site, Wanted
from tocsin.settings import load

_SIGNS = {Verdict.GOOD: "✔", Verdict.NOTE: "·", Verdict.WARNING: "!", Verdict.FAULT: "✘"}
_PLAIN_SIGNS = {Verdict.GOOD: "ok", Verdict.NOTE: "--", Verdict.WARNING: "!!", Verdict.FAULT: "XX"}
"""For terminals that cannot show the others."""
_STYLES = {Verdict.GOOD: "green", Verdict.NOTE: "dim", Verdict.WARNING: "bold yellow", Verdict.FAULT: "bold red"}


def doctor(  # noqa: PLR0913, PLR0917 - each is an option
    settings: Annotated[Path, typer.Option("--settings", "-s", help="Settings file of the site.", show_default=False)],
    pv: Annotated[
        list[str] | None, typer.Option("--pv", help="PV to be connected to; repeatable. Else some of each tree.", show_default=False)
    ] = None,
    role: Annotated[Role, typer.Option("--role", help="For whom: what the user in the settings needs in Kafka.")] = Role.RUN,
    url: Annotated[str, typer.Option("--url", help="Address of the web side, if not that of the settings.", show_default=False)] = "",
    timeout: Annotated[float, typer.Option("--timeout", min=1, max=300, help="Seconds after which a check that hangs is given up.")] = 15,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings count as faults.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, for pipelines.")] = False,
) -> None:
    """Look at everything that a site needs: settings, trees, journal, rights, engines, web side, history, IOCs, clocks, versions.

    Each line is good (✔), a note (·), a warning (!) or a fault (✘) with what to do. Nothing is written, and what runs is left alone. What
    cannot be tried without writing is said. All checks are made, also if some hang. Exit code 1 if there is a fault.
    """
    # What libraries complain about meanwhile is in the findings, in words.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    site, to_do = _prepare(settings, Wanted(role, tuple(pv or ()), url, timeout))
    try:
        found = examine(to_do, timeout)
        examined = list(found) if as_json else _tell(found, console())
    finally:
        if site is not None:
            site.close()
    counts = Counter(finding.verdict for one in examined for finding in one.findings)
    failed = bool(counts[Verdict.FAULT] or (strict and counts[Verdict.WARNING]))
    if as_json:
        typer.echo(orjson.dumps(_report(examined, counts, ok=not failed), option=orjson.OPT_INDENT_2))
    else:
        console().print(_summary(counts))
    raise typer.Exit(1 if failed else 0)


def _prepare(file: Path, wanted: Wanted) -> tuple[Site | None, list[Check]]:
    """The site and its checks; of one whose settings can not be used only what does not need them."""
    try:
        site = Site.of(file, load(file), wanted)
    except SettingsError as problem:
        told = str(problem).removeprefix(f"{file}: ")  # the line begins with the file
        finding = fault(str(file), told, f"mend it; `tocsin settings check {file}` tells whether it can be used then")
        return None, [Check("Settings", "settings", lambda: [finding]), *checks_without_site()]
    return site, list(checks(site))


def _tell(found: Iterable[Examined], out: Console) -> list[Examined]:
    """Print each as it comes."""
    examined, group = [], ""
    signs = _signs(out)
    with out.status("looking …") if out.is_terminal else out:
        for one in found:
            if one.findings and one.check.group != group:
                group = one.check.group
                out.print(Text(f"{group}", "bold"))
            for finding in one.findings:
                _print(out, finding, signs[finding.verdict])
            examined.append(one)
    return examined


def _signs(out: Console) -> dict[Verdict, str]:
    try:
        "".join(_SIGNS.values()).encode(out.encoding)
    except (UnicodeEncodeError, LookupError):
        return _PLAIN_SIGNS
    return _SIGNS


def _print(out: Console, finding: Finding, sign: str) -> None:
    style = _STYLES[finding.verdict]
    line = Text.assemble((plain(finding.subject), "dim" if finding.verdict is Verdict.NOTE else "bold"), ": ")
    line.append(plain(finding.text), "dim" if finding.verdict is Verdict.NOTE else "")
    _line(out, Text(f"  {sign}", style), line)
    if finding.advice:
        arrow = "→" if sign in _SIGNS.values() else "->"
        _line(out, Text("   "), Text(f"{arrow} {plain(finding.advice)}", "cyan"))


def _line(out: Console, head: Text, text: Text) -> None:
    """What is too long for the terminal goes on below itself."""
    row = Table.grid(padding=(0, 1, 0, 0))
    row.add_row(head, text)
    out.print(row)


def _summary(counts: Counter[Verdict]) -> Text:
    faults, warnings = counts[Verdict.FAULT], counts[Verdict.WARNING]
    number = sum(counts.values())
    text = Text(f"{number} {'thing' if number == 1 else 'things'} looked at: ")
    if not faults and not warnings:
        return text.append("all is well", "bold green")
    text.append(_counted(faults, "fault"), _STYLES[Verdict.FAULT] if faults else "")
    return text.append(", ").append(_counted(warnings, "warning"), _STYLES[Verdict.WARNING] if warnings else "")


def _counted(number: int, what: str) -> str:
    return f"{number or 'no'} {what}{'' if number == 1 else 's'}"


def _report(examined: list[Examined], counts: Counter[Verdict], *, ok: bool) -> dict[str, Any]:
    findings = [
        {
            "group": one.check.group,
            "subject": finding.subject,
            "verdict": finding.verdict.value,
            "text": finding.text,
            "advice": finding.advice,
        }
        for one in examined
        for finding in one.findings
    ]
    return {"ok": ok, "faults": counts[Verdict.FAULT], "warnings": counts[Verdict.WARNING], "findings": findings}
