"""Words about commands, and what came of them: the same for one-shot commands and the live table. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from tocsin.cli.printing import plain
from tocsin.client.types import Alarm, CommandResult, Outcome, State

_FEW = 5


class Kind(StrEnum):
    """A command, by its name in the REST interface."""

    ACKNOWLEDGE = "acknowledge"
    UNACKNOWLEDGE = "unacknowledge"
    SHELVE = "shelve"
    UNSHELVE = "unshelve"
    DISABLE = "disable"
    ENABLE = "enable"


@dataclass(frozen=True, slots=True)
class Words:
    """How a command is spoken of."""

    name: str
    doing: str
    done: str
    fits: Callable[[Alarm], bool]
    """True for an alarm for which it makes sense."""
    unfit: str
    """What is said of one for which it makes none."""
    reason_needed: bool = False


def _visible(alarm: Alarm) -> bool:
    return alarm.suppression is None


WORDS: dict[Kind, Words] = {
    Kind.ACKNOWLEDGE: Words("Acknowledge", "acknowledging …", "acknowledged", lambda a: a.state == State.ACTIVE, "no unacknowledged alarm"),
    Kind.UNACKNOWLEDGE: Words(
        "Unacknowledge", "taking back …", "acknowledgement taken back", lambda a: a.state == State.ACKNOWLEDGED, "not acknowledged"
    ),
    Kind.SHELVE: Words("Shelve", "shelving …", "shelved", _visible, "shelved or out of service already", reason_needed=True),
    Kind.UNSHELVE: Words("Unshelve", "unshelving …", "unshelved", lambda a: a.state == State.SHELVED, "not shelved"),
    Kind.DISABLE: Words(
        "Take out of service", "taking out …", "taken out of service", _visible, "shelved or out of service already", reason_needed=True
    ),
    Kind.ENABLE: Words("Put back into service", "enabling …", "put back into service", lambda a: a.state == State.DISABLED, "in service"),
}


class Tone(StrEnum):
    """How loud a sentence is."""

    DONE = "done"
    REFUSED = "refused"
    NOT_CONFIRMED = "not confirmed"


@dataclass(frozen=True, slots=True)
class Said:
    """One sentence about what came of commands."""

    tone: Tone
    text: str


@dataclass(frozen=True, slots=True)
class Failed:
    """A command that was surely not carried out."""

    path: str
    why: str


def report(kind: Kind, answers: Sequence[CommandResult | Failed], until: datetime | None = None) -> list[Said]:
    """What came of a command for several paths; the same reason is said once. `until`: when it ends by itself."""
    words, said, several = WORDS[kind], [], len(answers) > 1
    all_done = [one for one in answers if isinstance(one, CommandResult) and one.outcome == Outcome.DONE]
    done = [one for one in all_done if one.count]
    number = sum(one.count for one in done)
    if done:
        what = plain(done[0].path) if not several else f"{len(done)} of {len(answers)}"
        acted = f" ({number} alarm{'' if number == 1 else 's'})" if number != len(done) else ""
        said.append(Said(Tone.DONE, f"Done: {what} {words.done}{f' until {until.astimezone():%Y-%m-%d %H:%M}' if until else ''}{acted}."))
    if idle := [one.path for one in all_done if not one.count and not one.left_alone]:
        said.append(Said(Tone.DONE, f"Nothing to do: {words.unfit}: {few(idle)}."))
    if left := [path for one in all_done for path in one.left_alone]:
        said.append(Said(Tone.REFUSED, f"Left alone, because they rose after what you had seen: {few(left)}. Look again, then repeat."))
    said += [_other(words, tone, why, paths) for (tone, why), paths in _grouped(answers).items()]
    return said


def _grouped(answers: Sequence[CommandResult | Failed]) -> dict[tuple[Tone, str], list[str]]:
    found: dict[tuple[Tone, str], list[str]] = {}
    for one in answers:
        if isinstance(one, Failed):
            tone, why = Tone.REFUSED, one.why
        elif one.outcome == Outcome.DONE:
            continue
        else:
            tone, why = Tone.REFUSED if one.outcome == Outcome.REFUSED else Tone.NOT_CONFIRMED, one.reason
        found.setdefault((tone, why), []).append(one.path)
    return found


def _other(words: Words, tone: Tone, why: str, paths: list[str]) -> Said:
    because = f" {plain(why[:1].upper() + why[1:]).rstrip('.')}." if why else ""
    if tone is Tone.REFUSED:
        return Said(tone, f"Refused: {words.name} {few(paths)}.{because}")
    return Said(tone, f"NOT CONFIRMED: {words.name} {few(paths)}.{because} Look at the alarms: it may or may not have been carried out.")


def few(texts: Sequence[str]) -> str:
    """The first of many."""
    shown = ", ".join(plain(text) for text in texts[:_FEW])
    return f"{shown} and {len(texts) - _FEW} more" if len(texts) > _FEW else shown
