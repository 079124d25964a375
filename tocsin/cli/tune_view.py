"""The tables of `tocsin tune`."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from alarm_engine.config.change import TreeChange
from alarm_engine.config.fault import printable
from alarm_engine.model.times import NANOS_PER_SECOND, iso
from backend.tuning.comparison import LONG_NS, Missed
from backend.tuning.proposals import Judgement, Trial
from backend.tuning.remarks import remarks
from backend.tuning.wording import changed

_LONG = f"{LONG_NS // NANOS_PER_SECOND} s"


def show_proposal(console: Console, judgement: Judgement) -> None:
    """One alarm: what it did, what other settings would have made of it, and which are proposed."""
    present, chosen = judgement.present, judgement.chosen
    _show_head(console, judgement)
    if present.is_quiet:
        console.print("  It is no nuisance with its settings.")
        return
    table = _table()
    _add(table, judgement, present, "as it is")
    for trial in judgement.trials:
        _add(table, judgement, trial, changed(present.settings, trial.settings), mark=trial is chosen)
    console.print(table)
    if chosen is None:
        console.print(f"  Nothing that was tried quiets it without missing what lasted {_LONG} or more: look at its limits, or for noise.")
    else:
        never = "" if chosen.outcome.annunciated else " It would not have come at all: is it needed?"
        console.print(Text.assemble("  Proposed: ", (changed(present.settings, chosen.settings), "bold green"), ".", never))


def show_what_if(console: Console, judgements: Sequence[Judgement], most: int) -> None:
    """Several alarms with the settings that were given, those that change most; and what it comes to."""
    ranked = sorted(judgements, key=lambda one: (-_effect(one), one.recording.path))
    shown = [one for one in ranked[:most] if _effect(one) or len(judgements) <= most]
    for judgement in shown:
        _show_head(console, judgement)
        table = _table()
        _add(table, judgement, judgement.present, "as it is")
        _add(table, judgement, judgement.trials[0], changed(judgement.present.settings, judgement.trials[0].settings))
        console.print(table)
    if len(judgements) > 1:
        _show_sum(console, judgements, len(shown))


def show_changes(console: Console, changes: Sequence[TreeChange]) -> None:
    """The proposals as differences of files, and what has to be done by hand."""
    for one in changes:
        for file in one.files:
            console.print()
            text = file.diff()
            if console.is_terminal:
                console.print(Syntax(text, "diff", background_color="default", word_wrap=True))
            else:
                console.out(text, end="", highlight=False)
        for path, why in one.refused.items():
            console.print(f"{path}: to be changed by hand: {why}", soft_wrap=True)


def duration(time_ns: int) -> str:
    """Rounded, for people."""
    seconds = time_ns / NANOS_PER_SECOND
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"


def _show_head(console: Console, judgement: Judgement) -> None:
    recording, settings = judgement.recording, judgement.present.settings
    long = sum(one.duration_ns >= LONG_NS for one in judgement.excursions)
    console.print()
    console.print(Text.assemble((printable(recording.path), "bold cyan"), "  ", printable(settings.description)), soft_wrap=True)
    words = ["latching" if settings.latching else "not latching", f"delay {settings.delay_s} s"]
    words += [f"count {settings.count}"] if settings.count else []
    words += [] if settings.annunciating else ["silent"]
    console.print(f"  {', '.join(words)}; {iso(recording.start)} to {iso(recording.end)}", soft_wrap=True)
    console.print(
        f"  its PV went off {_many(len(judgement.excursions), 'time')}, {long:,} of them for {_LONG} or more; "
        f"{_many(recording.annunciated, 'alarm')} recorded",
        soft_wrap=True,
    )
    for remark in remarks(judgement):
        console.print(Text(f"  note: {printable(remark)}", "yellow"), soft_wrap=True)


def _table() -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("  settings")
    for name in ("alarms", "chatter", "fleeting", "later, by", "missed", "untold", "stood"):
        table.add_column(name, justify="right", no_wrap=name in ("alarms", "stood"))
    return table


def _add(table: Table, judgement: Judgement, trial: Trial, name: str, mark: bool = False) -> None:
    came, change = trial.outcome, trial.comparison
    is_present = trial is judgement.present
    table.add_row(
        ("→ " if mark else "  ") + name,
        f"{came.annunciated:,}",
        f"{came.chattering:,}",
        f"{came.fleeting:,}",
        "" if is_present else _later(trial),
        "" if is_present else _missed(change.missed),
        "" if is_present or not change.missed.number else duration(change.missed.stretch_ns),
        duration(came.standing_ns),
        style="bold" if mark else None,
    )


def _later(trial: Trial) -> str:
    change = trial.comparison
    words = [f"{change.later:,}, {duration(change.latest_ns)}"] if change.later else []
    words += [f"{change.earlier:,} earlier"] if change.earlier else []
    words += [f"{change.gained:,} more"] if change.gained else []
    return "; ".join(words) or "none"


def _missed(missed: Missed) -> Text:
    if not missed.number:
        return Text("none")
    text = Text(f"{missed.number:,}, to {duration(missed.longest_ns)}")
    return text.append(f" ({missed.long:,} long)", "bold red") if missed.long else text


def _effect(judgement: Judgement) -> int:
    change = judgement.trials[0].comparison
    difference = judgement.present.outcome.annunciated - judgement.trials[0].outcome.annunciated
    return abs(difference) + change.later + change.earlier + change.missed.number + change.gained


def _show_sum(console: Console, judgements: Sequence[Judgement], shown: int) -> None:
    old = sum(one.present.outcome.annunciated for one in judgements)
    new = sum(one.trials[0].outcome.annunciated for one in judgements)
    changes = [one.trials[0].comparison for one in judgements]
    missed, long = sum(one.missed.number for one in changes), sum(one.missed.long for one in changes)
    console.print(
        f"\n{_many(len(judgements), 'alarm')} together, {shown:,} of them above: annunciated {old:,} -> {new:,}; "
        f"{sum(one.later for one in changes):,} later, by at most {duration(max(one.latest_ns for one in changes))}; "
        f"{missed:,} missed, {long:,} of them {_LONG} or longer; {sum(one.gained for one in changes):,} that were not told before",
        soft_wrap=True,
    )


def _many(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
