"""Which checks a site gets, in the order of the report."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial

from tocsin.examination import channel_access, engines, history, kafka, kafka_rights, machine, settings, web
from tocsin.examination.finding import Finding, note
from tocsin.examination.running import Check
from tocsin.examination.site import Role, Site

_NO_KAFKA = "is a broker there, is kafka.servers right, do user, password and certificates fit? See docs/how-to/run-on-kafka.md"
_NO_JOURNAL = "see the lines on the journal above"


def checks_without_site() -> list[Check]:
    """What can be looked at where the settings can not be used."""
    return [Check("This machine", "versions", machine.versions)]


def checks(site: Site) -> Iterator[Check]:
    """All that apply to it."""
    role = site.wanted.role
    ours = any(not one.phoebus for one in site.configurations)

    def check(group: str, subject: str, look: Callable[[Site], Iterable[Finding]], advice: str = "") -> Check:
        return Check(group, subject, partial(look, site), advice)

    def of_journal(group: str, subject: str, look: Callable[[Site], Iterable[Finding]]) -> Check:
        return check(group, subject, partial(_if_kafka_answers, subject, look), _NO_JOURNAL)

    yield check("Settings", "settings", settings.settings_file)
    yield check("Settings", "trees", settings.trees)
    yield check("Settings", "secrets", settings.secrets)
    yield from checks_without_site()
    yield check("This machine", "store", machine.store, "give another file, or mend this one")
    yield check("This machine", "names", machine.names, "is DNS there?")
    if site.uses_kafka:
        yield check("Kafka", f"Kafka at {site.settings.kafka.servers}", kafka.reach, _NO_KAFKA)
        if site.configurations:
            yield of_journal("Kafka", "topics", kafka.topics)
            yield of_journal("Kafka", "rights on topics", kafka_rights.topics)
            yield of_journal("Kafka", "rights on groups", kafka_rights.groups)
        if ours and role.does(Role.ENGINE, Role.SYNC):
            yield of_journal("Kafka", "transactions", kafka_rights.transaction)
        if ours and role.does(Role.ENGINE):
            yield of_journal("Kafka", "session of engines", kafka_rights.session)
    yield of_journal("Engine", "engine", engines.engines)
    yield check("Web side", "web side", web.web_side, "is it running, is the address right?")
    if site.uses_kafka:
        yield check("Web side", "health of roles", web.health)
    yield check("History", "history", history.store, "is the store there?")
    yield of_journal("History", "history", history.lag)
    if site.settings.history.store == "elasticsearch":
        yield check("History", "Elasticsearch", history.elasticsearch, "is it there, is history.elasticsearch.hosts right?")
    if role.does(Role.ENGINE):
        yield check("IOCs", "search for PVs", channel_access.addresses, "see channel_access in the settings")
        yield check("IOCs", "PVs", channel_access.pvs, "see channel_access in the settings")


def _if_kafka_answers(subject: str, look: Callable[[Site], Iterable[Finding]], site: Site) -> Iterator[Finding]:
    """What is wrong with Kafka itself is said once."""
    if site.uses_kafka and not site.kafka_answers:
        yield note(subject, "could not be looked at: Kafka does not answer")
    else:
        yield from look(site)
