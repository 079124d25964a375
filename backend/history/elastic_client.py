"""The connection to Elasticsearch, and its errors as ours."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from elasticsearch import (
    ApiError,
    AsyncElasticsearch,
    ConnectionTimeout,
    OrjsonSerializer,
    SerializationError,
    SSLError,
    TransportError,
    UnsupportedProductError,
)

from alarm_engine.errors import HistoryError, HistoryUnavailable, QueryTooLarge
from backend.history.elastic_options import ElasticOptions

BUSY = frozenset({408, 429, 500, 502, 503, 504})
"""Answers that pass."""
_TOO_LARGE = (
    "too_complex_to_determinize",
    "too_many_buckets",
    "too_many_clauses",
    "too_many_nested_clauses",
    "circuit_breaking_exception",
    "Result window is too large",
)
_MARGIN_S = 2.0
"""The server gives a question up by itself; only one that does not answer at all is left longer."""
_LONGEST_REASON = 300


def connect(options: ElasticOptions) -> AsyncElasticsearch:
    """A client; nothing is sent yet. Searches go to the next host when one does not answer; a write's retries are the caller's.

    Raises `HistoryError` for a file that cannot be used.
    """
    # It would write a page for each try at a server that is away; whoever asks or writes says so once.
    logging.getLogger("elastic_transport").setLevel(logging.ERROR)
    given: dict[str, Any] = {
        "api_key": None if options.api_key_file is None else _secret(options.api_key_file),
        "basic_auth": None if options.password_file is None else (options.user, _secret(options.password_file)),
        "ca_certs": None if options.ca_file is None else str(options.ca_file),
        "client_cert": None if options.client_certificate is None else str(options.client_certificate),
        "client_key": None if options.client_key is None else str(options.client_key),
    }
    try:
        return AsyncElasticsearch(
            list(options.hosts),
            serializers={OrjsonSerializer.mimetype: OrjsonSerializer()},
            request_timeout=options.longest_query_s + _MARGIN_S,
            max_retries=max(2, len(options.hosts)),
            retry_on_timeout=False,
            retry_on_status=(429, 502, 503, 504),
            **{name: value for name, value in given.items() if value is not None},
        )
    except (OSError, ValueError) as problem:
        files = ", ".join(str(file) for file in (options.ca_file, options.client_certificate, options.client_key) if file)
        raise HistoryError(f"Elasticsearch: certificates or key in {files} cannot be used ({problem}): expected PEM") from problem


def _secret(file: Path) -> str:
    try:
        found = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as problem:
        raise HistoryError(f"Elasticsearch: {file} cannot be read: {problem}") from problem
    if not found or not found.isprintable():
        raise HistoryError(f"Elasticsearch: {file} holds no secret: expected one line of text")
    return found


@contextmanager
def translated(options: ElasticOptions) -> Iterator[None]:
    """Errors of the client as `HistoryError`, `HistoryUnavailable` or `QueryTooLarge`, in a sentence that names the hosts."""
    where = options.where
    try:
        yield
    except ConnectionTimeout as problem:
        raise HistoryUnavailable(f"{where} does not answer in time: look at its load and its log") from problem
    except SSLError as problem:
        raise HistoryUnavailable(f"{where}: the TLS connection fails ({short(problem)}): check the address and ca_file") from problem
    except SerializationError as problem:
        raise HistoryUnavailable(f"{where} sent what is no JSON: is the address that of Elasticsearch, or of a proxy?") from problem
    except TransportError as problem:
        raise HistoryUnavailable(f"{where} cannot be reached ({short(problem)}): is it running, is the address right?") from problem
    except UnsupportedProductError as problem:
        raise HistoryError(f"{where} is not Elasticsearch 8 or 9 (OpenSearch is not supported): check the address") from problem
    except ApiError as problem:
        raise _of_answer(where, problem) from problem


def _of_answer(where: str, problem: ApiError) -> HistoryError:
    status, reason = problem.status_code, reason_of(problem.body)
    text = str(problem.body)
    if any(sign in text for sign in _TOO_LARGE):
        return QueryTooLarge(f"{where} finds the question too large ({reason}): ask for a shorter range, fewer alarms or a plainer pattern")
    if status in BUSY:
        return HistoryUnavailable(f"{where} is busy or not ready ({status}: {reason}): it is tried again")
    if status == 401:
        return HistoryError(f"{where} does not know us (401): check API key, or user and password")
    if status == 403:
        return HistoryError(
            f"{where} does not let us do this (403: {reason}): give our user the privileges, or lift the block of the index"
        )
    if status == 404:
        return HistoryUnavailable(f"{where}: what was asked for has just been deleted ({reason}): ask again")
    return HistoryError(f"{where} refuses ({status}: {reason})")


def reason_of(body: object) -> str:
    """The innermost reason of an answer that says no, cut to a readable length."""
    error = body.get("error", body) if isinstance(body, Mapping) else body
    if not isinstance(error, Mapping):
        return short(error)
    for shard in error.get("failed_shards", ())[:1]:
        error = shard.get("reason", error)
    while isinstance(error.get("caused_by"), Mapping):
        error = error["caused_by"]
    return short(f"{error.get('type', 'error')}: {error.get('reason', '')}")


def short(what: object) -> str:
    """A text of one line, cut to a readable length."""
    text = " ".join(str(what).split())
    return text if len(text) <= _LONGEST_REASON else text[:_LONGEST_REASON] + " ..."
