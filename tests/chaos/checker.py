"""Decides whether anything was lost, doubled or mixed up. Pure: evidence in, violations out."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tests.chaos import rules_acts, rules_history, rules_records
from tests.chaos.evidence import Evidence, Violation

Rule = Callable[[Evidence], Iterable[Violation]]

RULES: tuple[Rule, ...] = (
    rules_history.each_transition_is_there,
    rules_history.nothing_is_invented,
    rules_history.nothing_is_told_twice,
    rules_history.no_reigns_are_mixed,
    rules_history.no_number_is_left_out,
    rules_history.time_never_runs_back,
    rules_history.no_alarm_changes_without_an_event,
    rules_history.nothing_looks_quieter_than_it_is,
    rules_history.delays_come_to_their_end,
    rules_acts.acknowledgements_are_kept,
    rules_acts.commands_are_answered,
    rules_acts.commands_act_once,
    rules_records.what_is_annunciated_is_spoken,
    rules_records.what_was_aborted_is_published_again,
    rules_records.states_are_of_the_newest_event,
    rules_records.states_are_the_truth_in_the_end,
    rules_records.clients_of_the_stream_see_all_of_it,
    rules_records.silence_looks_stale,
)


def check(evidence: Evidence) -> list[Violation]:
    """All violations, by rule; empty if all is well."""
    return [violation for rule in RULES for violation in rule(evidence)]
