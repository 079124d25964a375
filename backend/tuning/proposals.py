"""Looks for the smallest change of settings that quiets an alarm without losing what matters."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from alarm_engine.model.settings import AlarmSettings
from backend.kpi.definitions import DAY_NS
from backend.tuning.comparison import Comparison, compare
from backend.tuning.outcome import Outcome, outcome
from backend.tuning.recorded import Recorded, recorded
from backend.tuning.recording import Excursion, Recording, excursions
from backend.tuning.replay import play

DELAYS_S = (1, 2, 3, 5, 10, 15, 20, 30, 60)
"""That are tried: none is longer than what `comparison.LONG_NS` calls long."""
COUNT = 3
"""A long delay may end early with so many alarms within it."""
SHOWN_GOOD = 3
_COUNTED_DELAYS_S = (30, 60)
_LATCHED_DELAYS_S = (5, 15)
FLEETING_PER_DAY = 1
"""On average. More fleeting annunciations make a nuisance, as does any that chatters (ours; the target of ISA-18.2 is none of both)."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What settings would have made of a recording."""

    settings: AlarmSettings
    outcome: Outcome
    comparison: Comparison
    """With the settings in force."""
    is_quiet: bool
    """It would have been no nuisance."""

    @property
    def is_good(self) -> bool:
        """Quiet, and every long excursion would still have had its alarm."""
        return self.is_quiet and not self.comparison.missed.long


@dataclass(frozen=True, slots=True)
class Judgement:
    """How an alarm does with its settings, and would do with others."""

    recording: Recorded
    excursions: tuple[Excursion, ...]
    present: Trial
    """The settings in force, replayed."""
    trials: tuple[Trial, ...]
    """The smallest change first."""

    @property
    def chosen(self) -> Trial | None:
        """The smallest change that is good; None if none is, or none is needed."""
        return None if self.present.is_quiet else next((trial for trial in self.trials if trial.is_good), None)


def judge(recording: Recording, in_force: AlarmSettings, others: Iterable[AlarmSettings], most_good: int = 1_000) -> Judgement:
    """What each of the other settings would have made of a recording; no more are tried after so many that are good."""
    found = excursions(recording)
    present = outcome(play(recording, in_force), found)

    def trial(settings: AlarmSettings, came: Outcome) -> Trial:
        return Trial(settings, came, compare(found, present, came), _is_quiet(came, recording))

    tried: list[Trial] = []
    for settings in others:
        tried.append(trial(settings, outcome(play(recording, in_force, settings), found)))
        if sum(one.is_good for one in tried) >= most_good:
            break
    return Judgement(recorded(recording), found, trial(in_force, present), tuple(tried))


def propose(recording: Recording, in_force: AlarmSettings) -> Judgement:
    """The same for settings that might help, `Judgement.chosen` among them, with some larger changes to compare it with.

    Nothing is tried for an alarm that is no nuisance.
    """
    as_it_is = judge(recording, in_force, ())
    return as_it_is if as_it_is.present.is_quiet else judge(recording, in_force, candidates(in_force), most_good=SHOWN_GOOD)


def candidates(settings: AlarmSettings) -> list[AlarmSettings]:
    """Settings that might quiet an alarm, the smallest change first: fewer fields, latching after delay, the shorter delay first."""
    longer = [replace(settings, delay_s=delay) for delay in DELAYS_S if delay > settings.delay_s]
    found = list(longer)
    if settings.delay_s and settings.count:
        found.append(replace(settings, count=0))
    if not settings.latching:
        found.append(replace(settings, latching=True))
    if not settings.count:
        found += [replace(one, count=COUNT) for one in longer if one.delay_s in _COUNTED_DELAYS_S]
    if not settings.latching:
        found += [replace(one, latching=True) for one in longer if one.delay_s in _LATCHED_DELAYS_S]
    return found


def _is_quiet(came: Outcome, recording: Recording) -> bool:
    allowed = FLEETING_PER_DAY * max(1, (recording.end - recording.known_from) / DAY_NS)
    return not came.chattering and came.fleeting <= allowed
