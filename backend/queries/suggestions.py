"""What would quieten the alarms that rose most often: the proposals of `tocsin tune` as rows."""

from __future__ import annotations

from alarm_engine.model.path import name, system
from alarm_engine.model.subsystem import title
from alarm_engine.model.times import Nanos, to_ms
from backend.live.model import LiveTree
from backend.queries.request import Ask, Row, Sources
from backend.queries.scope import dash_of, knows
from backend.suggesting import MOST_ALARMS, Proposed, Wanted
from backend.tuning.comparison import LONG_NS
from backend.tuning.gather import Range
from backend.tuning.proposals import Judgement
from backend.tuning.remarks import remarks
from backend.tuning.wording import changed

_LONG = f"{LONG_NS // 1_000_000_000} s"


async def suggestions(sources: Sources, ask: Ask) -> list[Row]:
    """A row for each of the alarms that rose most often, with the smallest change of settings that would have quieted it.

    Replaying costs: answers are some minutes old (`computed`), and the last row says what time was not enough for.
    """
    rows: list[Row] = []
    number = min(ask.limit or MOST_ALARMS, MOST_ALARMS)
    for tree in sources.asked(ask):
        if not knows(tree, ask) or ask.start >= sources.now:
            continue
        span = Range(tree.config, ask.start, Nanos(min(ask.end, sources.now)))
        found = await sources.suggestions.of(tree, sources.history, Wanted(span, ask.path or "/", number), sources.now)
        if found is None:
            rows.append(_note("Others are being computed: come back in a minute.", None))
        else:
            rows += [_row(tree, one, found) for one in found.judgements]
            rows += _notes(found)
    return rows


def _row(tree: LiveTree, judgement: Judgement, found: Proposed) -> Row:
    path, chosen = judgement.recording.path, judgement.chosen
    about = system(path)
    return {
        "pv": name(path),
        "path": path,
        "system": title(about),
        "dash": dash_of(tree, about),
        "change": "–" if chosen is None else changed(judgement.present.settings, chosen.settings),
        "recorded": judgement.recording.annunciated,
        "would": None if chosen is None else chosen.outcome.annunciated,
        "missed": None if chosen is None else chosen.comparison.missed.number,
        "text": " ".join((_advice(judgement), *remarks(judgement))),
        "computed": to_ms(found.computed),
    }


def _advice(judgement: Judgement) -> str:
    chosen = judgement.chosen
    if judgement.present.is_quiet:
        return "Its settings are right: it rises because its PV does. Mend what it tells of, or look at its limits."
    if chosen is None:
        return f"No delay, count or latching quiets it without missing what lasted {_LONG} or more: look at its limits, or for noise."
    never = "" if chosen.outcome.annunciated else " It would not have come at all: is it needed?"
    return f"Change it in the tree if those that would be missed can be spared: tocsin tune shows them, and writes it with --write.{never}"


def _notes(found: Proposed) -> list[Row]:
    if found.left:
        return [_note(f"Cut off: time was not enough for {found.left} more. Come back in a minute, or use tocsin tune.", found.computed)]
    return [] if found.judgements else [_note("No alarm of the tree rose in this range.", found.computed)]


def _note(text: str, computed: Nanos | None) -> Row:
    words = dict.fromkeys(("pv", "path", "system", "dash", "change"), "")
    numbers = dict.fromkeys(("recorded", "would", "missed"), None)
    return {**words, **numbers, "text": text, "computed": None if computed is None else to_ms(computed)}
