"""What other settings of an alarm would have changed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from tocsin.client.types.answer import Answer


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class TunedSettings(Answer):
    """Settings that can be tried.

    >>> client.what_if("/Acc/Vacuum/GC1", delay_s=30).trials[0].settings.delay_s
    30
    """

    delay_s: int
    count: int
    latching: bool
    annunciating: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Trial(Answer):
    """What settings would have made of what is recorded, beside those in force.

    >>> trial = client.what_if("/Acc/Vacuum/GC1", start="1h", delay_s=30).trials[0]
    >>> trial.annunciated <= trial.annunciated + trial.missed
    True
    """

    settings: TunedSettings
    annunciated: int
    """How often it would have been put before the operator."""
    spoken: int
    """How many of them would have been spoken."""
    chattering: int
    """Annunciations that were the third or a further one within 60 s."""
    fleeting: int
    """Annunciations whose PV was OK again within 15 s."""
    standing_s: float
    """How long it would have stood, acknowledged or not."""
    is_quiet: bool
    """It would have been no nuisance."""
    later: int
    """Excursions of the PV whose alarm would have come later."""
    later_by_median_s: float
    later_by_most_s: float
    earlier: int
    """Excursions whose alarm would have come earlier."""
    gained: int
    """Excursions that had no alarm, and would have one."""
    missed: int
    """Excursions that had an alarm, and would have none."""
    missed_long: int
    """How many of them lasted 60 s or more."""
    missed_longest_s: float
    missed_longest_at: datetime | None
    """When the longest one began."""
    missed_stretch_s: float
    """The longest time in which missed ones followed each other within a minute."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class WhatIf(Answer):
    """What other settings of an alarm would have changed.

    >>> answer = client.what_if("/Acc/Vacuum/GC1", start="1h", delay_s=30)
    >>> answer.recorded, answer.excursions
    (1, 1)
    """

    path: str
    description: str
    start: datetime
    """Of what is judged; later than asked for where there are too many events."""
    end: datetime
    recorded: int
    """How often the alarm was in truth annunciated."""
    excursions: int
    """How often the PV rose to a severity, whatever became of it."""
    long_excursions: int
    """How many of them lasted 60 s or more."""
    present: Trial
    """The settings in force, replayed."""
    trials: tuple[Trial, ...]
    """The smallest change first."""
    chosen: int | None
    """Index of the proposed one of `trials`; None: none is good, or none is needed."""
    remarks: tuple[str, ...]
    """What has to be known to trust the answer."""
