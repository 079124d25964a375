"""Where our records differ from the recorded ones, on purpose: each place by its step and key, with the records that are ours.

The reasons are rows of `docs/explanations/differences-from-phoebus.md`. A place is held as strictly as all others: our records must be
exactly those listed here, and a place where there is no difference (any more) is a deviation as well. One difference is too common for a
table and lies in `compare.py`: components are published once a moment.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from tests.conformance.session import TOMBSTONE

EDIT = "an edit of the tree keeps alarm, latch and acknowledgement; Phoebus begins the alarm anew"
TRACKED = "what is out of service stays connected and tracked; Phoebus begins anew, with `Disposed` or an empty message"
HIDDEN = "acknowledging a hidden alarm leaves it hidden; Phoebus overwrites `Disabled`"
UNHIDDEN = "an acknowledgement is kept over shelving and out of service"
SIGNED = "a configuration record that the engine writes is signed tocsin, not with the account that the server runs under"
DELETED = "an alarm that was deleted while it was shelved stays deleted; with Phoebus it comes back at the date"
RESTART = "a restart is silent for alarms that did not change; Phoebus forgets those that are OK"
MODES = "maintenance mode and disabled notifications are kept over a restart"
FOREIGN = "a state that somebody else wrote is written over with ours; Phoebus leaves it"
FILTERS = "filter formulas are not evaluated yet"

MAINTENANCE = ',"mode":"maintenance","notify":false'
LATCH = '"latch":true,'
Row = tuple[str, ...]
NOTHING: Row = ()


@dataclass(frozen=True, slots=True)
class Difference:
    """One place where ours are other records."""

    reason: str
    ours: Row


class Place(NamedTuple):
    """Where a difference is."""

    step: int
    key: str


def node(severity: str, modes: str = "") -> str:
    """State of a component."""
    return f'{{"severity":"{severity}"{modes}}}'


def leaf(alarm: str, current: str, latch: str = "", modes: str = "") -> str:
    """State of an alarm: severity, message and value, then severity and message of the PV."""
    severity, _, rest = alarm.partition(" ")
    message, _, value = rest.rpartition(" ")
    now, _, why = current.partition(" ")
    return (
        f'{{"severity":"{severity}",{latch}"message":"{message}","value":"{value}","time":{{}},'
        f'"current_severity":"{now}","current_message":"{why}"{modes}}}'
    )


def nothing(*places: tuple[int, str]) -> dict[Place, Row]:
    """Places where we publish nothing."""
    return {Place(*place): NOTHING for place in places}


def differences_of(session: str) -> dict[Place, Difference]:
    """All places of a session."""
    return {place: Difference(reason, row) for (name, reason), rows in _TABLE.items() if name == session for place, row in rows.items()}


_A, _B, _C, _DATE = "state:/Enab/Sub/E:a", "state:/Enab/Sub/E:b", "state:/Enab/Sub/E:c", "state:/Enab/E:date"
_TALK_A, _TALK_B, _TALK_C = "talk:/Enab/Sub/E:a", "talk:/Enab/Sub/E:b", "talk:/Enab/Sub/E:c"
_ENAB, _SUB = "state:/Enab", "state:/Enab/Sub"
_TREE, _OTHER, _DEEP = "state:/Tree", "state:/Tree/Other", "state:/Tree/Other/Deep"
_TREE_B, _TREE_C, _TREE_E = "state:/Tree/Sub/T:b", "state:/Tree/Other/Deep/T:c", "state:/Tree/Other/Deep/T:e"
_NEVER, _CONN, _CONN_D, _CONN_Q = "state:/Conn/Miss/C:never", "state:/Conn", "state:/Conn/Sub/C:d", "state:/Conn/C:q"
_BAD = "state:/Conn/xyz:\\/\\/bad"
_AWAY = leaf("UNDEFINED_ACK Disconnected ", "UNDEFINED Disconnected")
_WRITTEN = '{"user":"tocsin","host":"","description":"Dated","latching":false}'

_TABLE: dict[tuple[str, str], dict[Place, Row]] = {
    ("enablement", TRACKED): {
        Place(1, _C): (leaf("MAJOR HIHI_ALARM 12.0", "MAJOR HIHI_ALARM", LATCH),),
    },
    ("enablement", UNHIDDEN): {
        Place(4, _C): (leaf("MAJOR_ACK HIHI_ALARM 12.0", "MAJOR HIHI_ALARM", LATCH),),
        Place(4, _SUB): (node("MAJOR_ACK"),),
        Place(4, _ENAB): (node("MAJOR_ACK"),),
        # Acknowledged, it goes with its PV, and there is nothing to acknowledge any more.
        Place(5, _C): (leaf("OK OK 0.0", "OK NO_ALARM"),),
        Place(5, _SUB): (node("OK"),),
        Place(5, _ENAB): (node("OK"),),
        **nothing((4, _TALK_C), (6, _SUB), (6, _ENAB)),
    },
    ("enablement", EDIT): {
        **nothing((8, _A), (8, _TALK_A)),
        # Still acknowledged after the next edits, so also when latching is switched off; it goes with its PV.
        **nothing((10, _A), (10, _TALK_A), (10, _SUB), (10, _ENAB)),
        Place(11, _A): (leaf("MAJOR_ACK HIHI_ALARM 12.0", "MINOR HIGH_ALARM"),),
        **nothing((12, _A), (12, _TALK_A), (12, _SUB), (12, _ENAB)),
        Place(13, _A): (leaf("OK OK 0.0", "OK NO_ALARM"),),
        **nothing((15, _A), (15, _TALK_A)),
        # Still latched after an edit with the PV back to normal, until it is acknowledged.
        **nothing((17, _A), (17, _SUB), (17, _ENAB)),
        Place(18, _SUB): (node("OK"),),
        Place(18, _ENAB): (node("OK"),),
        # A delay that is added does not take back what was raised; the alarm of before latches on.
        **nothing((20, _A), (20, _TALK_A), (20, _SUB), (20, _ENAB)),
        Place(22, _A): (leaf("MAJOR HIHI_ALARM 12.0", "MINOR HIGH_ALARM"),),
        **nothing((22, _TALK_A), (22, _SUB), (22, _ENAB)),
        Place(23, _A): (leaf("MAJOR HIHI_ALARM 12.0", "OK NO_ALARM"),),
        Place(24, _A): (leaf("MAJOR HIHI_ALARM 12.0", "MAJOR HIHI_ALARM"),),
        **nothing((25, _A), (25, _TALK_A), (25, _SUB), (25, _ENAB)),
        # The same with one that does not latch.
        **nothing((36, _B), (36, _TALK_B)),
        **nothing((37, _B), (37, _SUB), (37, _ENAB)),
        Place(38, _B): (leaf("OK NO_ALARM 0.0", "OK NO_ALARM"),),
        Place(38, _SUB): (node("OK"),),
        Place(38, _ENAB): (node("OK"),),
        # Dates that have passed or are none, and a record without description.
        **nothing((48, _DATE), (50, _DATE), (50, "talk:/Enab/E:date"), (93, "state:/Enab/E:d")),
    },
    ("enablement", HIDDEN): {
        **nothing((31, _B), (32, _B)),
        # Still hidden when its date comes, so what it says then is all that is published.
        Place(42, _DATE): (leaf("MAJOR HIHI_ALARM 12.0", "MAJOR HIHI_ALARM"),),
    },
    ("enablement", SIGNED): {
        Place(42, "config:/Enab/E:date"): (_WRITTEN,),
        Place(47, "config:/Enab/E:date"): (_WRITTEN,),
    },
    ("enablement", DELETED): {
        Place(54, _DATE): (TOMBSTONE,),
        # Nothing was published meanwhile, so the life sign comes earlier.
        Place(54, _ENAB): (node("OK"),),
        **nothing((54, "config:/Enab/E:date"), (96, _DATE)),
    },
    ("tree_edits", TRACKED): {
        Place(24, _TREE_B): (leaf("OK OK ", "MAJOR HIHI_ALARM"), leaf("MAJOR HIHI_ALARM 12.0", "MAJOR HIHI_ALARM")),
    },
    ("tree_edits", EDIT): {
        **nothing((27, _TREE_B)),
        # Acknowledged before the edit, it goes with its PV.
        **nothing((39, _TREE_C), (39, _DEEP), (39, _OTHER), (39, _TREE)),
        Place(40, _TREE_C): (leaf("OK OK 0.0", "OK NO_ALARM"),),
        Place(40, _DEEP): (node("OK"),),
        Place(40, _OTHER): (node("OK"),),
        Place(40, _TREE): (node("OK"),),
        **nothing((41, _DEEP), (41, _OTHER), (41, _TREE)),
    },
    ("tree_edits", FILTERS): {
        # It is hidden by the next step, which takes it out of service, instead of by its filter.
        **nothing((58, _TREE_E), (58, _DEEP), (58, _OTHER), (58, _TREE)),
        Place(59, _TREE_E): (leaf("OK Disabled ", "OK OK"),),
        Place(59, _DEEP): (node("OK"),),
        Place(59, _OTHER): (node("OK"),),
        Place(59, _TREE): (node("MINOR_ACK"),),
    },
    ("tree_edits", FOREIGN): {
        Place(71, "state:/Tree/Sub/T:a"): (leaf("OK OK 0.0", "OK NO_ALARM"),),
    },
    ("connection", EDIT): {
        # Not raised again, so the records that follow have no latch flag.
        **nothing((3, _NEVER), (3, "talk:/Conn/Miss/C:never"), (3, "state:/Conn/Miss")),
        Place(16, _NEVER): (_AWAY,),
        Place(19, _NEVER): (_AWAY,),
        Place(23, _NEVER): (_AWAY,),
    },
    ("connection", RESTART): {
        **nothing((32, _CONN_Q), (32, _CONN_D), (53, _CONN_Q), (53, _CONN_D), (69, _CONN_Q), (69, _CONN_D)),
        **nothing(*((69, f"state:/Conn/Sub/C:{name}") for name in ("ak", "l", "lt", "mb"))),
        Place(62, _CONN_D): (
            leaf("OK OK 0.0", "UNDEFINED Disconnected"),
            leaf("UNDEFINED Disconnected ", "UNDEFINED Disconnected", LATCH),
        ),
    },
    ("connection", MODES): {
        Place(69, _CONN): (node("MINOR", MAINTENANCE),),
        Place(69, _BAD): (
            leaf("UNDEFINED_ACK Disconnected ", "UNDEFINED No PV", modes=MAINTENANCE),
            leaf("UNDEFINED_ACK Disconnected ", "UNDEFINED Disconnected", modes=MAINTENANCE),
        ),
        Place(70, "state:/Conn/Sub/C:n"): (leaf("OK NO_ALARM 0.0", "OK NO_ALARM", modes=MAINTENANCE),),
        Place(70, "state:/Conn/Sub"): (node("OK", MAINTENANCE),),
        Place(70, _CONN): (node("UNDEFINED_ACK", MAINTENANCE),),
    },
}
