"""One alarm tree being evaluated: readings, configuration, commands and timers in; changes out."""

from alarm_engine.evaluator.changes import Changes
from alarm_engine.evaluator.commands import Commander
from alarm_engine.evaluator.emit import Cause
from alarm_engine.evaluator.evaluator import Evaluator, EvaluatorSettings
from alarm_engine.evaluator.restoration import Saved

__all__ = ["Cause", "Changes", "Commander", "Evaluator", "EvaluatorSettings", "Saved"]
