"""What is counted: the rules that turn events into figures, each with its source.

Sources: *ISA-18.2 / IEC 62682* for the notions and limits, *event model* for how they show in our events (`alarm_engine.model.event`),
*ours* where neither says.

- **Annunciation**: an alarm is put before the operator: an entry into the state "unacknowledged alarm" (ISA-18.2). In events: after a
  rise (kind `alarm`), or when shelving or out of service ended in alarm (`unshelved`, `enabled`), the severity is active. A PV that gets
  worse (MINOR, then MAJOR) is annunciated again: in EPICS the two limits that ISA-18.2 calls two alarms are one PV (event model). Not
  annunciations: what stays hidden (its severity is OK), what maintenance mode acknowledges as it comes (it arrives acknowledged), and
  taking an acknowledgement back (the operator's own act). Whether it was *spoken* (`Event.annunciated`) is a matter of the setting
  `annunciating`: a silent alarm is on the screen as well and counts; silent ones are counted apart.
- **Lost connection**: an annunciation with UNDEFINED: the alarm system lost the PV. Counted apart, so that an IOC that restarts does not
  look like a flood of the process (ours).
- **Priority**: severity stands for it: MINOR low, MAJOR medium, INVALID high, UNDEFINED highest (ours, until alarms have a priority).
- **Flood**: begins in a period of 10 minutes with more than 10 annunciations, ends before the first one with fewer than 5 (ISA-18.2).
  Periods begin at full 10 minutes UTC (ours): a burst that lies across such an edge may count as two half ones.
- **Chattering**: the third and each further annunciation of one alarm within 60 s (ISA-18.2). It counts where the third one falls.
- **Fleeting**: the PV was OK again less than 15 s after the annunciation (ISA-18.2 names 5 to 15 s), whether latched, acknowledged or
  neither; not if the alarm was hidden meanwhile. An alarm that chatters in the range counts there and not here ("not repeating").
- **Standing**: the alarm is not OK, acknowledged or not, latched or live, and not suppressed. It goes on over changes of severity.
  **Stale**: standing for 24 h (ISA-18.2).
- **Time to acknowledge**: from the first annunciation that nobody had answered to the event `acknowledged`. Left out: what the switch to
  maintenance mode acknowledged, and alarms whose annunciation was before the first event that is known.
- **Shelved, out of service**: suppressed with an end, and without one (event model).

Times are `Event.time`. One that runs back is held at the last one, as the engine itself does. One that our own clock has not come to was
given by a clock that is, or was, ahead (ours): it says nothing. If a later event has a time that can be, the event counts then; if not, it
is in no figure yet, and that is said.
"""

from __future__ import annotations

from alarm_engine.model.event import EventKind
from alarm_engine.model.severity import Severity
from alarm_engine.model.times import NANOS_PER_SECOND, Nanos

PERIOD_S = 600
PERIOD_NS = PERIOD_S * NANOS_PER_SECOND
"""The period in which ISA-18.2 counts; one summary covers one, or a part of one."""
HOUR_NS = 3600 * NANOS_PER_SECOND
DAY_NS = 24 * HOUR_NS

CHATTER_RISES = 3
CHATTER_NS = 60 * NANOS_PER_SECOND
FLEETING_NS = 15 * NANOS_PER_SECOND
STALE_NS = DAY_NS

FLOOD_BEGINS = 10
"""More annunciations than that in a period begin a flood, ..."""
FLOOD_ENDS = 5
"""... which lasts until a period has fewer than that."""
BUSY_HOUR = 30
"""More annunciations than that in an hour are too many."""

ACTIVE = Severity.MINOR
"""The lowest severity that is in alarm and not acknowledged."""
SEVERITIES = (Severity.MINOR, Severity.MAJOR, Severity.INVALID, Severity.UNDEFINED)
"""Those that an annunciation can have, by `severity - ACTIVE`."""
LOST = 3
"""Index of UNDEFINED in `SEVERITIES`."""

ANNUNCIATES = frozenset({EventKind.ALARM, EventKind.UNSHELVED, EventKind.ENABLED})
"""Kinds that annunciate if the severity after them is active."""
ABOUT_AN_ALARM = frozenset(
    {
        EventKind.ALARM,
        EventKind.CLEARED,
        EventKind.CHANGED,
        EventKind.ACKNOWLEDGED,
        EventKind.UNACKNOWLEDGED,
        EventKind.SHELVED,
        EventKind.UNSHELVED,
        EventKind.DISABLED,
        EventKind.ENABLED,
        EventKind.REMOVED,
    }
)
"""Kinds that say something about an alarm even without a snapshot (`removed` never has one)."""

BY_MAINTENANCE = "maintenance mode"
"""`Event.reason` of acknowledgements that nobody gave."""


def period_of(time: int) -> Nanos:
    """The begin of the period that a time lies in."""
    return Nanos(time // PERIOD_NS * PERIOD_NS)


def period_end(time: int) -> Nanos:
    """The first begin of a period that is not before a time."""
    return Nanos(-(-time // PERIOD_NS) * PERIOD_NS)
