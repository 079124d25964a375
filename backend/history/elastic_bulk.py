"""Many documents in one request, tried again while the server is busy.

One bulk is under way at a time, and of one that was done by half only the rest is sent again. A document that the server finds wrong
(400: another type, a term that is too long, an unknown field) is handed back with the reason, and the others go on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson
from elasticsearch import ApiError, AsyncElasticsearch
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from alarm_engine.errors import HistoryError, HistoryUnavailable
from backend.history.elastic_client import BUSY, reason_of, translated
from backend.history.elastic_options import ElasticOptions

MOST_DOCUMENTS = 1_000
_POISON = frozenset({"document_parsing_exception", "mapper_parsing_exception", "strict_dynamic_mapping_exception"})
"""What a server says of a document, and not of an index or of itself."""
_ANSWER = ("items.*.status", "items.*.error")
"""All that is looked at: it says ten times as much of each document."""


class Operation(NamedTuple):
    """One document to be created (or put in place of one that is there), or (without a body) deleted."""

    alias: str
    id: str
    body: bytes | None
    replaces: bool = False

    def lines(self, *, with_alias: bool) -> list[bytes]:
        """As it stands in a request; without the alias where the request names it for all."""
        target = {"_index": self.alias, "_id": self.id} if with_alias else {"_id": self.id}
        if self.body is None:
            return [orjson.dumps({"delete": target})]
        return [orjson.dumps({"index" if self.replaces else "create": target}), self.body]


@dataclass(slots=True)
class Outcome:
    """What became of the documents."""

    done: int = 0
    """Created or deleted now; those that were there (or gone) already are not counted."""
    poisoned: list[tuple[Operation, str]] = field(default_factory=list)
    """Refused for good, with the reason."""
    homeless: list[Operation] = field(default_factory=list)
    """Their index is not there (any more): make it and send them again."""


async def send(client: AsyncElasticsearch, options: ElasticOptions, operations: Sequence[Operation]) -> Outcome:
    """Send all; raises `HistoryUnavailable` when the server stays busy or away for `longest_write_s`, `HistoryError` if it refuses."""
    outcome = Outcome()
    for batch in _batches(operations, options.bulk_bytes):
        await _insist(client, options, batch, outcome)
    return outcome


def patiently(options: ElasticOptions) -> AsyncRetrying:
    """Attempts at a write, for as long as the server is busy or away and `longest_write_s` has not passed."""
    return AsyncRetrying(
        retry=retry_if_exception_type(HistoryUnavailable),
        wait=wait_random_exponential(multiplier=options.first_pause_s, max=options.longest_pause_s),
        stop=stop_after_delay(options.longest_write_s),
        reraise=True,
    )


async def _insist(client: AsyncElasticsearch, options: ElasticOptions, batch: list[Operation], outcome: Outcome) -> None:
    left = batch
    async for attempt in patiently(options):
        with attempt:
            left, why = await _once(client, options, left, outcome)
            if left:
                raise HistoryUnavailable(f"{options.where} took all but {len(left)} of {len(batch)} documents ({why}): it is tried again")


async def _once(
    client: AsyncElasticsearch, options: ElasticOptions, batch: list[Operation], outcome: Outcome
) -> tuple[list[Operation], str]:
    """One request. Returns what is to be sent again, and why."""
    aliases = {operation.alias for operation in batch}
    # Mostly all go to one month: it is named once, and not read again for each.
    shared = aliases.pop() if len(aliases) == 1 else None
    lines: list[Any] = [line for operation in batch for line in operation.lines(with_alias=shared is None)]
    with translated(options):
        try:
            # A retry of the client would come at once; ours wait.
            answer = await client.options(max_retries=0).bulk(index=shared, operations=lines, require_alias=True, filter_path=_ANSWER)
        except ApiError as problem:
            if not _too_much(problem):
                raise
            return await _by_halves(client, options, (batch, outcome), problem)
    items = answer.get("items", [])
    if len(items) != len(batch):
        raise HistoryUnavailable(f"{options.where} answered for {len(items)} of {len(batch)} documents: it is tried again")
    again = [(operation, why) for operation, item in zip(batch, items, strict=True) if (why := _judge(operation, item, outcome, options))]
    return [operation for operation, _ in again], again[0][1] if again else ""


def _too_much(problem: ApiError) -> bool:
    """The request is refused as a whole for what may be the fault of one document."""
    return problem.status_code == 413 or (problem.status_code == 400 and "action_request_validation_exception" in str(problem.body))


async def _by_halves(
    client: AsyncElasticsearch, options: ElasticOptions, what: tuple[list[Operation], Outcome], problem: ApiError
) -> tuple[list[Operation], str]:
    batch, outcome = what
    if len(batch) == 1:
        outcome.poisoned.append((batch[0], f"{problem.status_code}: {reason_of(problem.body)}"))
        return [], ""
    half = len(batch) // 2
    for part in (batch[:half], batch[half:]):
        await _insist(client, options, part, outcome)
    return [], ""


def _judge(operation: Operation, item: dict[str, Any], outcome: Outcome, options: ElasticOptions) -> str:
    """Count one document; returns why it is to be sent again, or nothing."""
    (result,) = item.values()
    status, error = result["status"], result.get("error")
    kind = error.get("type", "") if isinstance(error, dict) else ""
    if status in (200, 201):
        outcome.done += 1
    elif status == 409 or (status == 404 and error is None):
        pass  # it was there, or gone, already
    elif status in BUSY:
        return f"{status}: {reason_of(error)}"
    elif kind == "index_not_found_exception":
        outcome.homeless.append(operation)
    elif kind in _POISON or "Document contains at least one immense term" in str(error):
        outcome.poisoned.append((operation, f"{status}: {reason_of(error)}"))
    else:
        raise HistoryError(f"{options.where} refuses a document for {operation.alias} ({status}: {reason_of(error)}): look at the index")
    return ""


def _batches(operations: Iterable[Operation], most_bytes: int) -> Iterator[list[Operation]]:
    batch: list[Operation] = []
    size = 0
    measure: Callable[[Operation], int] = lambda operation: 100 + len(operation.body or b"")  # noqa: E731
    for operation in operations:
        if batch and (size + measure(operation) > most_bytes or len(batch) >= MOST_DOCUMENTS):
            yield batch
            batch, size = [], 0
        batch.append(operation)
        size += measure(operation)
    if batch:
        yield batch
