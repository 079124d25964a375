"""Explains an alarm or a component to an operator: facts in, sentences out. Pure; time comes in as `now`."""

from tocsin.explaining.alarm import explain_alarm
from tocsin.explaining.component import explain_component
from tocsin.explaining.facts import AlarmFacts, ComponentFacts, Past, SettingsSource
from tocsin.explaining.story import Explanation, Reason, Setting, Transition

__all__ = [
    "AlarmFacts",
    "ComponentFacts",
    "Explanation",
    "Past",
    "Reason",
    "Setting",
    "SettingsSource",
    "Transition",
    "explain_alarm",
    "explain_component",
]
