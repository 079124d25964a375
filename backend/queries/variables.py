"""Options of dashboard variables: rows of `text` and `value`. There is always one, since Grafana takes an empty list as an error.

Where there are more than are listed, the last option says so; it stands for no value. Those that are not listed may still be used.
"""

from __future__ import annotations

from alarm_engine.model.palette import PALETTE
from alarm_engine.model.path import natural_key, split
from alarm_engine.model.severity import Severity
from backend.queries.request import Ask, Row, Sources
from backend.queries.scope import alarms_of, subsystems

_MAX_OPTIONS = 5000


def _options(pairs: list[tuple[str, str]], limit: int | None = None) -> list[Row]:
    rows: list[Row] = [{"text": text, "value": value} for text, value in pairs[: limit or _MAX_OPTIONS]]
    if len(pairs) > len(rows):
        rows.append({"text": f"and {len(pairs) - len(rows):,} more, which can be typed", "value": ""})
    return rows or [{"text": "–", "value": ""}]


def configurations(sources: Sources, ask: Ask) -> list[Row]:
    """Names of all configurations."""
    return _options([(name, name) for name in sources.trees])


def systems(sources: Sources, ask: Ask) -> list[Row]:
    """Names of the subsystems, in the order of the tree."""
    return _options([(system.title, system.title) for tree in sources.asked(ask) for system in subsystems(tree, ask)])


def severities(sources: Sources, ask: Ask) -> list[Row]:
    """Severities of active alarms, worst first."""
    return _options([(PALETTE[one.name].word, one.name) for one in sorted(Severity, reverse=True) if one.is_active])


def pvs(sources: Sources, ask: Ask) -> list[Row]:
    """Names of PVs, active ones first; at most 5000."""
    return _options([(pv, pv) for pv in dict.fromkeys(pv for pv, _ in _sorted(sources, ask))], ask.limit)


def paths(sources: Sources, ask: Ask) -> list[Row]:
    """Paths of alarms, with the name of the PV as text; as `pvs`."""
    return _options(_sorted(sources, ask), ask.limit)


def _sorted(sources: Sources, ask: Ask) -> list[tuple[str, str]]:
    found = [alarm for tree in sources.asked(ask) for alarm in alarms_of(tree, ask)]
    return [(alarm.pv, alarm.path) for alarm in sorted(found, key=lambda alarm: -alarm.severity)]


def components(sources: Sources, ask: Ask) -> list[Row]:
    """Paths of all components, in the order of the tree, with what is below the root as text."""
    found = [(tree, path) for tree in sources.asked(ask) for path in tree.nodes]
    found.sort(key=lambda item: [natural_key(element) for element in split(item[1])])
    return _options([(" / ".join(split(path)[1:]) or tree.config, path) for tree, path in found], ask.limit)
