"""Apache Kafka's published jars for tests: fetched once by Maven, kept outside of the repository.

Beside them `tests.prepare` leaves an archive of their classes as Java has loaded them: it halves the work of starting a broker.
"""

from __future__ import annotations

import functools
import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path

from tests.maven_cache import Artifact, Missing

__all__ = ["DATA", "Missing", "archive", "check_tools", "jars", "quick_start"]

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


def archive() -> Path:
    """Where the archive of classes is, or would be: it serves only the Java that made it."""
    java = Path(shutil.which("java") or "java").resolve()
    made_by = hashlib.sha256(f"{java} {java.stat().st_mtime_ns}".encode()).hexdigest()[:12]
    return jars().with_name(f"{jars().name}-{made_by}.jsa")


@functools.cache
def quick_start() -> Sequence[str]:
    """Options of Java for a broker; Java goes on without an archive that it cannot use."""
    return ("-Xshare:auto", *([f"-XX:SharedArchiveFile={archive()}"] if archive().exists() else []))
