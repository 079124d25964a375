"""What can go wrong, as one tree.

TocsinError
├── JournalError            the ordered log of records
│   ├── JournalUnavailable      cannot be reached, locked, disk full: may pass, is retried
│   │   └── JournalDenied           a right is missing: passes when somebody gives it
│   ├── JournalFenced           somebody else has taken over: this writer must not write any more
│   └── JournalCorrupt          what is stored cannot be trusted: somebody has to act
├── HistoryError            stored events
│   ├── HistoryUnavailable      as above, for the history store
│   └── QueryTooLarge           a question beyond the limits; says which
├── WireError               bytes that are no record of ours
├── ConfigError             the alarm tree as files (carries all faults)
├── SettingsError           the settings file
└── SourceError             a source of process variables cannot be used at all

Messages say what is wrong, where, and what to do. The command line prints them without a traceback.
"""

from __future__ import annotations


class TocsinError(Exception):
    """Anything that a user should read as a sentence."""


class JournalError(TocsinError):
    """The journal."""


class JournalUnavailable(JournalError):
    """The journal cannot be used now; the same call may work later."""


class JournalDenied(JournalUnavailable):
    """A right is missing; the message says which, and how it is given. Trying again helps only when somebody has given it."""


class JournalFenced(JournalError):
    """Another writer has taken over what this one wrote; the message says who. Trying again does not help."""


class JournalCorrupt(JournalError):
    """The journal holds something that cannot be read."""


class HistoryError(TocsinError):
    """The history store."""


class HistoryUnavailable(HistoryError):
    """The history store cannot be used now; the same call may work later."""


class QueryTooLarge(HistoryError):
    """A question beyond the limits."""


class WireError(TocsinError):
    """A record that cannot be understood: names the topic, key and what was expected."""


class ConfigError(TocsinError):
    """Faults in the files of an alarm tree."""


class SettingsError(TocsinError):
    """A settings file or variable that cannot be used."""


class SourceError(TocsinError):
    """A source of process variables cannot be used."""
