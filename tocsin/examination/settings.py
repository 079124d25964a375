"""The settings, the trees, and the files that they name."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from alarm_engine.errors import ConfigError, TocsinError
from backend.security import check_exposure
from tocsin.access import make_security
from tocsin.examination.finding import Finding, fault, good, note, warning
from tocsin.examination.site import Site, SiteTree
from tocsin.trees import refuse_another_name

_TOLD = 3
_PREFIX = "TOCSIN_"
_SECRETS = frozenset({"sasl.password", "ssl.key.password", "ssl.keystore.password", "ssl.key.pem"})


def settings_file(site: Site) -> Iterator[Finding]:
    """What was read, and whether it goes together. That it is valid is known: else there would be no site to examine."""
    settings, subject = site.settings, str(site.file)
    history = f"history in {'Elasticsearch' if settings.history.store == 'elasticsearch' else 'a SQLite file'}"
    journal = f"journal in {'Kafka' if site.uses_kafka else 'a SQLite file'}"
    yield good(subject, f"{_counted(len(settings.configurations), 'configuration')}, {journal}, {history}")
    variables = sorted(name for name in os.environ if _section(name) in type(settings).model_fields)
    if variables:
        yield note(subject, f"the environment may say otherwise: {', '.join(variables)}; `tocsin settings show` prints what is in force")
    try:
        check_exposure(settings.backend.host, settings.backend.commands, make_security(settings).settings.mode)
    except TocsinError as problem:
        yield fault("who may give commands", str(problem), "see docs/how-to/protect-it.md")
    else:
        yield good("who may give commands", f"auth.mode is {settings.auth.mode!r}, the web side listens on {settings.backend.host}")


def _section(variable: str) -> str:
    """The key of the settings that a variable is about; of one that is for something else it is none."""
    return variable.removeprefix(_PREFIX).partition("__")[0].lower() if variable.startswith(_PREFIX) else ""


def trees(site: Site) -> Iterator[Finding]:
    """Each tree with the faults of its files."""
    for tree in site.trees:
        yield from _tree(tree)
    names = [one.name for one in (tree.configuration for tree in site.trees) if one is not None]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield fault(f"configuration {name}", "is there twice", "give each configuration a name, and topics, of its own")


def _tree(tree: SiteTree) -> Iterator[Finding]:
    result, configuration = tree.result, tree.configuration
    if result is None:
        yield good(f"tree {tree.settings.name}", "has no file here: it is what the journal holds")
        return
    subject = f"tree {configuration.name if configuration else tree.settings.tree}"
    check = f"`tocsin config check {tree.settings.tree}` tells all of them"
    first = "; ".join(str(one) for one in (result.errors or result.warnings)[:_TOLD])
    if result.tree is None:
        yield fault(subject, f"nothing can be made of {tree.settings.tree}: {first}", check)
        return
    try:
        refuse_another_name(tree.settings, result.tree)
    except ConfigError as problem:
        yield fault(subject, str(problem), "give both the same name")
    size = f"{_counted(len(result.tree.alarms), 'alarm')} in {_counted(len(result.tree.nodes), 'component')}"
    if result.errors:
        left_out = _counted(len(result.errors), "error")
        yield fault(subject, f"{size}; {left_out}, what they are about is left out: {first}", check)
    elif result.warnings:
        yield warning(subject, f"{size}; {_counted(len(result.warnings), 'warning')}: {first}", check)
    elif not result.tree.alarms:
        yield warning(subject, "holds no alarm", "see docs/how-to/write-a-tree.md")
    else:
        yield good(subject, f"{size}, no faults")


def _counted(number: int, word: str) -> str:
    return f"{number:,} {word}" + ("" if number == 1 else "s")


def secrets(site: Site) -> Iterator[Finding]:
    """Files with passwords and keys: there, readable for us, and for nobody whom they do not concern."""
    settings = site.settings
    kafka, elastic = settings.kafka, settings.history.elasticsearch
    named: dict[str, Path | None] = {
        "kafka.password_file": kafka.password_file,
        "kafka.key_file": kafka.key_file,
        "kafka.key_password_file": kafka.key_password_file,
        "history.elasticsearch.api_key_file": elastic.api_key_file,
        "history.elasticsearch.password_file": elastic.password_file,
        "history.elasticsearch.key_file": elastic.key_file,
        "auth.users_file": settings.auth.users_file,
    }
    given = {key: file for key, file in named.items() if file is not None}
    written = sorted(_SECRETS & kafka.properties.keys())
    if written:
        yield warning(
            str(site.file), f"holds a secret: kafka.properties.{', '.join(written)}", "put it into a file, as kafka.password_file names one"
        )
        given[str(site.file)] = site.file
    faulty = False
    for key, file in given.items():
        found = _secret(key, file)
        faulty |= found is not None
        if found is not None:
            yield found
    if not given:
        yield good("secrets", "no file with a secret is named")
    elif not faulty:
        yield good("secrets", f"{_counted(len(given), 'file')} with secrets: readable, and not for everybody")


def _secret(key: str, file: Path) -> Finding | None:
    """What is wrong with one, None if nothing is."""
    try:
        with file.open("rb") as opened:
            mode = os.fstat(opened.fileno()).st_mode
    except OSError as problem:
        return fault(key, f"{file} cannot be read: {problem.strerror}", "make the file, readable for the user who runs tocsin")
    if mode & stat.S_IWOTH:
        return fault(key, f"everybody on this machine may write {file}", f"chmod o-rwx {file}")
    if mode & stat.S_IROTH:
        return warning(key, f"everybody on this machine may read {file}", f"chmod o-rwx {file}, owned by the user who runs tocsin")
    return None
