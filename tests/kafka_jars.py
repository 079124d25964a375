"""Apache Kafka's published jars for tests: fetched once by Maven, kept outside of the repository."""

from __future__ import annotations

import functools
from pathlib import Path

from tests.maven_cache import Artifact, Missing

__all__ = ["DATA", "Missing", "check_tools", "jars"]

DATA = Path(__file__).parent / "data" / "kafka"
_KAFKA = Artifact(
    "a Kafka broker",
    "kafka",
    DATA / "pom.xml",
    ("dependency:copy-dependencies", "-DoutputDirectory=@TO@", "-DincludeScope=runtime"),
)


def check_tools() -> None:
    """Raise `Missing` unless Java and, where the jars are not here yet, Maven can be run."""
    _KAFKA.check_tools()


@functools.cache
def jars() -> Path:
    """Folder with the jars, fetched if they are not there yet; raises `Missing`."""
    return _KAFKA.fetched()
