"""`records.md`, from the topics, keys and headers of the journal, with records as they are really encoded."""

from __future__ import annotations

from datetime import UTC

from alarm_engine.journal.port import Cleanup, TopicSpec
from alarm_engine.logic.talk import annunciation
from alarm_engine.model.command import Command, CommandKind
from alarm_engine.model.settings import AlarmSettings, NodeSettings, TitledText
from alarm_engine.model.severity import Severity
from alarm_engine.model.state import Acknowledgement, Alarm, Sample
from alarm_engine.model.status import EngineStatus
from alarm_engine.model.times import NANOS_PER_SECOND, Nanos
from alarm_engine.wire import headers
from alarm_engine.wire.command import encode_command
from alarm_engine.wire.component import encode_component
from alarm_engine.wire.config import encode_config
from alarm_engine.wire.keys import RecordType, key
from alarm_engine.wire.report import Drift, FileReport, encode_report
from alarm_engine.wire.revision import Commit, Revision, RevisionState, encode_revision
from alarm_engine.wire.runtime import Runtime, encode_runtime
from alarm_engine.wire.state import encode_leaf_state, encode_node_state
from alarm_engine.wire.status import encode_status
from alarm_engine.wire.talk import encode_talk
from alarm_engine.wire.topics import Topics, status_topic
from tocsin.reference.markdown import code, documented, page, prose, table

_PATH = "/Site/Cooling/Pump1:Flow"
_TIME = Nanos(1_790_000_000 * NANOS_PER_SECOND)
_COMMIT = Commit("8f4e2b6c1d0a9e8f7b6c5d4e3f2a1b0c9d8e7f6a", "mara", "Raise the limit of pump 1")
_UNITS = ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


def records_page() -> str:
    """Topics, keys, values and headers."""
    topics, status = Topics("Site"), status_topic("tocsin")
    return page(
        "Records of the journal",
        prose(
            "The journal is an ordered log of records: topic, key, value, headers, time. `config:`, `state:`, `command:` and `talk:` "
            "records are those of Phoebus, to the byte; what is ours travels on "
            "topics of its own and in headers, which Phoebus does not read. "
            "Here the configuration is called `Site` and the cell `tocsin`."
        ),
        "## Topics",
        table(
            ["topic", "holds", "forgets"],
            [[code(spec.name), _holds(spec.name, topics), _forgets(spec)] for spec in (*topics.specs(), status)],
        ),
        prose(
            "Days of events are `history.journal_days` of the [settings](settings.md). *Compacted*: the last record of each key is kept; "
            "a record without a value (a tombstone) removes its key."
        ),
        "## Keys",
        prose(
            "`<type>:<path>`. The first colon ends the type; later ones belong to the path, since names of PVs hold them. A path is "
            "`/config/component/.../pv`; a slash inside a name is written `\\/`."
        ),
        table(["type", "value"], [[code(kind.value), _example(kind)] for kind in RecordType]),
        "## Headers",
        table(["header", "meaning"], _headers()),
    )


def _holds(name: str, topics: Topics) -> str:
    docs = {
        topics.config: type(topics).config,
        topics.command: type(topics).command,
        topics.talk: type(topics).talk,
        topics.events: type(topics).events,
        topics.settings: type(topics).settings,
        topics.runtime: type(topics).runtime,
    }
    found = docs.get(name)
    return (found.__doc__ or "") if found is not None else (status_topic.__doc__ or "")


def _forgets(spec: TopicSpec) -> str:
    if spec.cleanup is Cleanup.COMPACT:
        return "compacted"
    text = f"after {_span(spec.retention_s)}" if spec.retention_s is not None else "never"
    return text + (f", or beyond {spec.retention_bytes / 1e9:g} GB" if spec.retention_bytes else "")


def _span(seconds: int) -> str:
    unit, word = next((unit, word) for unit, word in _UNITS if seconds % unit == 0)
    number = seconds // unit
    return f"{number} {word}{'s' if number != 1 else ''}"


def _example(kind: RecordType) -> str:
    alarm = Alarm(Severity.MAJOR, "LOLO_ALARM", "1.25", _TIME, latch=True)
    settings = AlarmSettings("Pump 1 flow low", latching=False, delay_s=5)
    node = NodeSettings(guidance=(TitledText("Who", "Call cooling group, 4411"),))
    match kind:
        case RecordType.CONFIG:
            texts = ["alarm: " + _json(encode_config(settings, "mara", "ops7", UTC))]
            texts.append("component: " + _json(encode_config(node, "mara", "ops7", UTC)))
            return "; ".join(texts)
        case RecordType.STATE:
            leaf = encode_leaf_state(alarm, Sample(Severity.MINOR, "LOW_ALARM", "2.5", _TIME))
            return f"alarm: {_json(leaf)}; component: {_json(encode_node_state(Severity.MAJOR))}"
        case RecordType.COMMAND:
            return _json(encode_command(Command(_PATH, CommandKind.ACKNOWLEDGE, "mara", "ops7"), "SiteCommand").value)
        case RecordType.TALK:
            talk = annunciation(_PATH, settings.description, Severity.MAJOR)
            return _json(encode_talk(talk.severity, talk.text, talk.standout))
        case RecordType.EVENT:
            return "see [events](events.md)"
        case RecordType.RUNTIME:
            ack = Acknowledgement("mara", "ops7", "pump is being changed", _TIME)
            return _json(encode_runtime(Runtime(acknowledgement=ack))) + f" ({documented(RecordType)['RUNTIME'].rstrip('.')})"
        case RecordType.SYNCED:
            return f"as {code(key(RecordType.CONFIG, '...'))} ({documented(RecordType)['SYNCED'].rstrip('.')})"
        case RecordType.COMPONENT:
            return _json(encode_component("sr-vacuum")) + f" ({documented(RecordType)['COMPONENT'].rstrip('.')})"
        case RecordType.REVISION:
            revision = Revision(42, RevisionState.CLOSED, _TIME, _COMMIT, "mara", "git-sync-0", config_end=61234, records=1, edited=1)
            return _json(encode_revision(revision)) + f" ({documented(RecordType)['REVISION'].rstrip('.')})"
        case RecordType.REPORT:
            drift = Drift(_PATH, "edited", ("delay_s",))
            report = FileReport(_TIME, "git-sync-0", _COMMIT, drift=(drift,), drift_count=1)
            return _json(encode_report(report)) + f" ({documented(RecordType)['REPORT'].rstrip('.')})"
        case RecordType.STATUS:
            status = EngineStatus("ops7:4711", "Site", 1_789_999_000, _TIME, 200, 199, 3, 12, 12, 0, 0, "Site.1789999000.42")
            return _json(encode_status(status)) + "; the path is the name of the configuration"
        case RecordType.STANDBY:
            return "as `status:`, with `epoch` 0; `backlog` is what the journal does not show to be decided"


def _headers() -> list[list[str]]:
    docs = documented(headers)
    return [[code(getattr(headers, name)), text] for name, text in docs.items() if text]


def _json(value: bytes | None) -> str:
    return code((value or b"").decode())
