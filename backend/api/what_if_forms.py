"""Forms of the answers about other settings."""

from __future__ import annotations

from pydantic import Field

from backend.api.forms import Form

_TIME = "ISO 8601 in UTC."


class TunedSettingsForm(Form):
    """Settings that can be tried."""

    delay_s: int
    count: int
    latching: bool
    annunciating: bool


class TrialForm(Form):
    """What settings would have made of what is recorded, beside those in force."""

    settings: TunedSettingsForm
    annunciated: int = Field(description="How often it would have been put before the operator.")
    spoken: int = Field(description="How many of them would have been spoken.")
    chattering: int = Field(description="Annunciations that were the third or a further one within 60 s.")
    fleeting: int = Field(description="Annunciations whose PV was OK again within 15 s.")
    standing_s: float = Field(description="How long it would have stood, acknowledged or not.")
    is_quiet: bool = Field(description="It would have been no nuisance.")
    later: int = Field(description="Excursions of the PV whose alarm would have come later.")
    later_by_median_s: float
    later_by_most_s: float
    earlier: int = Field(description="Excursions whose alarm would have come earlier.")
    gained: int = Field(description="Excursions that had no alarm, and would have one.")
    missed: int = Field(description="Excursions that had an alarm, and would have none.")
    missed_long: int = Field(description="How many of them lasted 60 s or more.")
    missed_longest_s: float
    missed_longest_at: str | None = Field(description="When the longest one began. " + _TIME)
    missed_stretch_s: float = Field(description="The longest time in which missed ones followed each other within a minute.")


class WhatIfForm(Form):
    """Answer of `history/what-if`."""

    path: str
    description: str
    start: str = Field(description="Of what is judged; later than asked for where there are too many events. " + _TIME)
    end: str = Field(description=_TIME)
    recorded: int = Field(description="How often the alarm was in truth annunciated.")
    excursions: int = Field(description="How often the PV rose to a severity, whatever became of it.")
    long_excursions: int = Field(description="How many of them lasted 60 s or more.")
    present: TrialForm = Field(description="The settings in force, replayed.")
    trials: list[TrialForm] = Field(description="The smallest change first.")
    chosen: int | None = Field(description="Index of the proposed one of `trials`; null: none is good, or none is needed.")
    remarks: list[str] = Field(description="What has to be known to trust the answer.")
