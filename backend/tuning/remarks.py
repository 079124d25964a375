"""What has to be known to trust a judgement, in sentences."""

from __future__ import annotations

from collections.abc import Iterator

from alarm_engine.model.times import iso
from backend.tuning.proposals import Judgement


def remarks(judgement: Judgement) -> tuple[str, ...]:
    """Nothing to say is the rule."""
    return tuple(_remarks(judgement))


def _remarks(judgement: Judgement) -> Iterator[str]:
    recording = judgement.recording
    there, replayed = recording.annunciated, judgement.present.outcome.annunciated
    if recording.is_cut:
        yield f"There are too many events: only those since {iso(recording.start)} are judged."
    elif recording.known_from > recording.start:
        yield f"Nothing is known of it before {iso(recording.known_from)}."
    if (last := recording.last_edit) is not None:
        yield f"Its settings were edited within the range, last at {iso(last.time)} ({last.reason}): before it was recorded with others."
    if recording.breaks:
        yield f"Events are missing: {_times(recording.breaks)} one does not go on from the one before."
    if not recording.is_of_engine:
        shorter = [trial for trial in judgement.trials if trial.settings.delay_s < judgement.present.settings.delay_s]
        yield (
            "It was recorded from the records of a Phoebus server, some of which may be gone, those of short changes first. "
            + ("A shorter delay than the recorded one cannot be judged." if shorter else "What is missed may be more.")
        )
    if there != replayed:
        why = "" if recording.last_edit else ": it was recorded with other settings"
        yield f"The settings in force, replayed, give {replayed:,} annunciations where {there:,} were recorded{why}."


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number:,} times"
