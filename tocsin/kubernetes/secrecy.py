"""What must not be in the settings of a site on Kubernetes: they become a ConfigMap, which many may read. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from alarm_engine.errors import SettingsError

_PROPERTY = re.compile(r"password|passphrase|secret|jaas|key\.pem$|oauthbearer\.config$", re.IGNORECASE)
"""Of properties of the Kafka client: those that hold a secret itself, not the name of a file."""
_PARAMETER = re.compile(r"token|secret|passw|api[-_]?key|signature|^sig$|^key$|^auth$", re.IGNORECASE)
_KAFKA = "the secrets tocsin-engine, tocsin-backend, tocsin-history and tocsin-sync"
_PLACES = {
    "kafka.properties.sasl.password": f"give kafka.password_file, and put it into {_KAFKA} as `password`",
    "kafka.properties.ssl.key": f"give kafka.certificate_file and kafka.key_file, and put them into {_KAFKA} as `user.crt` and `user.key`",
    "kafka.properties.": f"give a property that names a file below /etc/tocsin-kafka/user, and put that file into {_KAFKA}",
    "kubernetes.git_repository": "put it into the secret tocsin-git as `token`, and leave it out of the address",
    "dashboards.alerts.webhook": "make a contact point in Grafana, and name it as dashboards.alerts.receiver",
}
_ANYWHERE = "leave it out of the address"


def refuse_secrets(settings: Mapping[str, Any]) -> None:
    """Raise `SettingsError` that names each key with a secret, and where the secret belongs; never the secret itself."""
    found = [f"{key}: {what} would be in a ConfigMap, for many to read: {_place(key)}" for key, what in _secrets(settings, "")]
    if found:
        raise SettingsError("; ".join(found))


def _place(key: str) -> str:
    return next((place for begin, place in _PLACES.items() if key.startswith(begin)), _ANYWHERE)


def _secrets(value: Any, key: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            below = f"{key}.{name}".lstrip(".")
            if key.endswith("kafka.properties") and _PROPERTY.search(str(name)):
                yield below, "a secret"
            else:
                yield from _secrets(inner, below)
    elif isinstance(value, str):
        what = _in_address(value)
        if what:
            yield key, what
    elif isinstance(value, Sequence):
        for inner in value:
            yield from _secrets(inner, key)


def _in_address(text: str) -> str:
    """What an address holds that is secret; empty: nothing."""
    try:
        url = urlsplit(text)
        user, password = url.username, url.password
    except ValueError:
        return ""
    if not url.netloc:
        return ""
    if password is not None:
        return "a password"
    if user and url.scheme in ("http", "https"):  # tokens are given as the user too; that of ssh is none
        return "who we are there"
    named = [name for name, _ in parse_qsl(url.query, keep_blank_values=True) if _PARAMETER.search(name)]
    return f"the parameter {named[0]!r}" if named else ""
