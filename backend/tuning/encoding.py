"""Judgements as plain values, for JSON."""

from __future__ import annotations

from typing import Any

from alarm_engine.model.settings import AlarmSettings
from alarm_engine.model.times import NANOS_PER_SECOND, iso
from backend.tuning.comparison import LONG_NS
from backend.tuning.proposals import Judgement, Trial
from backend.tuning.remarks import remarks

TUNED = ("delay_s", "count", "latching", "annunciating")
"""The fields of `AlarmSettings` that a judgement is about."""


def encode_judgement(judgement: Judgement) -> dict[str, Any]:
    """Durations in seconds, times in ISO 8601; `chosen` is an index into `trials`, null if there is nothing to propose."""
    recording, chosen = judgement.recording, judgement.chosen
    return {
        "path": recording.path,
        "description": judgement.present.settings.description,
        "start": iso(recording.start),
        "end": iso(recording.end),
        "recorded": recording.annunciated,
        "excursions": len(judgement.excursions),
        "long_excursions": sum(one.duration_ns >= LONG_NS for one in judgement.excursions),
        "present": _trial(judgement.present),
        "trials": [_trial(trial) for trial in judgement.trials],
        "chosen": None if chosen is None else judgement.trials.index(chosen),
        "remarks": list(remarks(judgement)),
    }


def tuned(settings: AlarmSettings) -> dict[str, Any]:
    """The fields that a judgement is about."""
    return {name: getattr(settings, name) for name in TUNED}


def _trial(trial: Trial) -> dict[str, Any]:
    came, change = trial.outcome, trial.comparison
    missed = change.missed
    return {
        "settings": tuned(trial.settings),
        "annunciated": came.annunciated,
        "spoken": came.spoken,
        "chattering": came.chattering,
        "fleeting": came.fleeting,
        "standing_s": came.standing_ns / NANOS_PER_SECOND,
        "is_quiet": trial.is_quiet,
        "later": change.later,
        "later_by_median_s": change.median_ns / NANOS_PER_SECOND,
        "later_by_most_s": change.latest_ns / NANOS_PER_SECOND,
        "earlier": change.earlier,
        "gained": change.gained,
        "missed": missed.number,
        "missed_long": missed.long,
        "missed_longest_s": missed.longest_ns / NANOS_PER_SECOND,
        "missed_longest_at": None if missed.longest_at is None else iso(missed.longest_at),
        "missed_stretch_s": missed.stretch_ns / NANOS_PER_SECOND,
    }
