"""Reads the fields of alarms and components."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import tzinfo
from typing import Any

from alarm_engine.config import keys, values
from alarm_engine.config.fault import Faults
from alarm_engine.config.memory import Memory
from alarm_engine.config.scope import Scope
from alarm_engine.config.values import BadValue
from alarm_engine.config.yaml_nodes import Mapping, Node, Scalar, Sequence
from alarm_engine.model.settings import Action, AlarmSettings, TitledText

_MOST_ENTRIES = 100
"""Of one list: more is no guidance, and would let templates multiply without bounds."""

Fields = dict[str, Any]
"""Arguments of `AlarmSettings`."""


class EntryReader:
    """Turns nodes of the file into settings; what is wrong goes to `faults`."""

    def __init__(self, faults: Faults, zone: tzinfo, memory: Memory | None = None) -> None:
        self._faults = faults
        self._zone = zone
        self._memory = memory or Memory()

    def bad(self, bad: BadValue, node: Scalar, scope: Scope, path: str, name: str = "") -> None:
        """Note a value that does not fit."""
        if bad.noted:
            self._faults.errors += 1
            return
        self._faults.error(scope.spot(node, path, name), bad.problem, bad.expected, _shown(node, scope))

    def mapping(self, node: Node, allowed: keys.Keys, scope: Scope, path: str, name: str = "") -> Iterator[tuple[str, Scalar, Node]]:
        """Entries of a mapping with known keys: key, its node, value. Others are noted."""
        if not isinstance(node, Mapping):
            self._wrong_kind(node, f"a mapping with {', '.join(allowed)}", scope, path, name)
            return
        seen: dict[str, Scalar] = {}
        for key, value in node.entries:
            if key.text in seen:
                problem = f"is given twice, first in line {seen[key.text].line}"
                self._faults.error(scope.spot(key, path, name), problem, "each key once", key.text)
            elif key.text.startswith(keys.FREE_PREFIX) and "templates" in allowed:
                continue
            elif key.text in allowed:
                seen[key.text] = key
                yield key.text, key, value
            else:
                self.unknown(key, allowed, scope, path, name)

    def unknown(self, key: Scalar, allowed: keys.Keys, scope: Scope, path: str, name: str = "") -> None:
        """Note a key that nobody knows."""
        if key.text in keys.DEFAULTS and "defaults" in allowed:
            hint = "; for all alarms below put it under `defaults`"
        elif key.text == "description" and "pvs" in allowed:
            hint = "; a component has no description, put it into `guidance`"
        elif key.text in ("config", "time_zone"):
            hint = "; it stands at the top of the first file"
        elif key.text == "templates":
            hint = "; it stands at the top of a file"
        else:
            hint = self._faults.hint(key.text, allowed)
        self._faults.error(scope.spot(key, path, name), f"is an unknown key{hint}", f"one of {', '.join(allowed)}", key.text)

    def text(self, node: Node, scope: Scope, path: str, name: str) -> str | None:
        """A text of any kind; None (and a fault) if there is none."""
        if not isinstance(node, Scalar):
            self._wrong_kind(node, "a text", scope, path, name)
        elif node.is_null:
            self._faults.error(scope.spot(node, path, name), "nothing is given", 'a text ("" for an empty one)')
        else:
            try:
                return values.text(scope.text(node))
            except BadValue as bad:
                self.bad(bad, node, scope, path, name)
        return None

    def alarm(self, node: Node, scope: Scope, path: str, inherited: Fields) -> AlarmSettings | None:
        """Settings of an alarm; None if an error was found in them."""
        key = (node, path, None if scope.macros is None else tuple(scope.macros.items()))
        known = self._memory.alarm(key, inherited, self._zone)
        if known is not None:
            return known
        noted = self._faults.noted
        settings = self._alarm(node, scope, path, inherited)
        if settings is not None and self._faults.noted == noted:
            self._memory.keep_alarm(key, inherited, self._zone, settings)
        return settings

    def _alarm(self, node: Node, scope: Scope, path: str, inherited: Fields) -> AlarmSettings | None:
        before = self._faults.errors
        fields = dict(inherited)
        if type(node) is Scalar:
            if not node.is_null:
                fields["description"] = self.text(node, scope, path, "description")
        else:
            self._fields(node, keys.ALARM, scope, path, fields)
        if self._faults.errors != before:
            return None
        if "description" not in fields:
            spot = scope.spot(node, path)
            self._faults.warning(spot, "has no description; the name of the PV will be spoken", "what an operator should hear")
            fields["description"] = path.rpartition("/")[2]
        settings = AlarmSettings(**fields)
        if settings.count and not settings.delay_s and ("count" not in inherited or "delay_s" not in inherited):
            self._faults.warning(
                scope.spot(node, path, "count"), "has no effect without a delay", "a delay in which the alarms are counted"
            )
        return settings

    def defaults(self, node: Node, scope: Scope, path: str, inherited: Fields) -> Fields:
        """What is handed down: `inherited` and on top of it the good part of `node`."""
        fields = dict(inherited)
        self._fields(node, keys.DEFAULTS, scope, path, fields, "defaults")
        return fields

    def lists(self, name: str, node: Node, scope: Scope, path: str, prefix: str = "") -> tuple[Any, ...]:
        """Guidance, displays, commands or actions: a list, or a single entry."""
        items = node.items if isinstance(node, Sequence) else [node]
        if len(items) > _MOST_ENTRIES:
            self._faults.error(scope.spot(node, path, prefix + name), f"has {len(items)} entries", f"at most {_MOST_ENTRIES}")
        items = items[:_MOST_ENTRIES]
        read = [self._entry(name, item, scope, path, f"{prefix}{name}[{n}]") for n, item in enumerate(items, 1)]
        return tuple(entry for entry in read if entry is not None)

    def _fields(self, node: Node, allowed: keys.Keys, scope: Scope, path: str, fields: Fields, name: str = "") -> None:
        prefix = f"{name}." if name else ""
        for key, _, value in self.mapping(node, allowed, scope, path, name):
            if key in keys.LISTS:
                fields[key] = self.lists(key, value, scope, path, prefix)
            elif type(value) is not Scalar:
                self._wrong_kind(value, _EXPECTED.get(key, "a text"), scope, path, prefix + key)
            elif value.is_null:
                self._faults.error(
                    scope.spot(value, path, prefix + key), "nothing is given", _EXPECTED.get(key, 'a text ("" for an empty one)')
                )
            else:
                try:
                    self._field(key, scope.text(value), value.plain, fields)
                except BadValue as bad:
                    self.bad(bad, value, scope, path, prefix + key)
                if key == "delay" and fields.get("delay_s", 0) > values.LONG_DELAY_S:
                    spot = scope.spot(value, path, prefix + key)
                    self._faults.warning(spot, "is more than an hour; was it meant in seconds?", value=_shown(value, scope))

    def _field(self, key: str, text: str, plain: bool, fields: Fields) -> None:
        if key in ("latching", "annunciating"):
            fields[key] = values.flag(text, plain)
        elif key == "delay":
            fields["delay_s"] = values.delay(text)
        elif key == "count":
            fields["count"] = values.count(text)
        elif key == "enabled":
            fields["enabled"], fields["enabled_at"] = values.enabled(text, plain, self._zone)
        elif key == "filter":
            fields["filter"] = values.formula(text)
        else:
            fields[key] = values.text(text)

    def _entry(self, name: str, node: Node, scope: Scope, path: str, where: str) -> TitledText | Action | None:
        if isinstance(node, Scalar):
            text = self.text(node, scope, path, where)
            if text is None:
                return None
            found, delay_s = {"details": text}, 0
        else:
            before, found, delay_s = self._faults.errors, {}, 0
            for key, _, value in self.mapping(node, keys.ACTION if name == "actions" else keys.ENTRY, scope, path, where):
                if (read := self.text(value, scope, path, f"{where}.{key}")) is None:
                    continue
                if key != "delay":
                    found[key] = read
                    continue
                try:
                    delay_s = values.delay(read)
                except BadValue as bad:
                    assert isinstance(value, Scalar)
                    self.bad(bad, value, scope, path, f"{where}.{key}")
            if self._faults.errors != before:
                return None
        return self._titled(name, found, delay_s, scope.spot(node, path, where))

    def _titled(self, name: str, found: dict[str, str], delay_s: int, spot: Any) -> TitledText | Action | None:
        if not found:
            self._faults.error(spot, "is empty", "title and details, or a short text")
            return None
        details = found.get("details", "")
        title = found.get("title", details.strip().partition("\n")[0])
        if name != "actions":
            if name != "guidance" and not details:
                self._faults.warning(spot, "has no details, so there is nothing to open or run", "details")
            return TitledText(title, details)
        if odd := values.odd_action(details):
            self._faults.warning(spot, odd, value=details)
        return Action(title, details, delay_s)

    def _wrong_kind(self, node: Node, expected: str, scope: Scope, path: str, name: str) -> None:
        if isinstance(node, Scalar):
            problem, value = ("nothing is given", None) if node.is_null else ("is a text", node.text)
        else:
            problem, value = ("a list is given" if isinstance(node, Sequence) else "a mapping is given"), None
        self._faults.error(scope.spot(node, path, name), problem, expected, value)

    def expect_mapping(self, node: Node, what: str, scope: Scope, path: str, name: str) -> Mapping | None:
        """The node if it is a mapping; else None and a fault."""
        if isinstance(node, Mapping):
            return node
        self._wrong_kind(node, what, scope, path, name)
        return None

    def expect_list(self, node: Node, what: str, scope: Scope, path: str, name: str) -> list[Node]:
        """Items of a list; else none and a fault."""
        if isinstance(node, Sequence):
            return node.items
        self._wrong_kind(node, what, scope, path, name)
        return []


_EXPECTED = {
    "latching": "true or false",
    "annunciating": "true or false",
    "delay": values.DELAY_EXPECTED,
    "count": "a whole number of alarms, 0 for off",
    "enabled": values.DATE_EXPECTED,
}


def _shown(node: Scalar, scope: Scope) -> str:
    try:
        return scope.text(node)
    except BadValue:
        return node.text
