"""`python-client.md`, from the Python client's docstrings: a test runs their examples."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any

from tocsin.client import errors, frames
from tocsin.client.kafka import AsyncKafkaClient, KafkaClient
from tocsin.client.kafka_options import KafkaOptions
from tocsin.client.synchronous.client import Client
from tocsin.client.synchronous.paging import Pages
from tocsin.client.synchronous.subscribing import Subscription
from tocsin.client.types import commands, events, figures, files, kafka, live, names, past, trust, tuning, updates
from tocsin.reference.markdown import code, documented, page, prose, table

_FAMILIES = {
    "What is now": live,
    "How far it can be trusted": trust,
    "Events": events,
    "What was": past,
    "Figures": figures,
    "What other settings would have changed": tuning,
    "Where the trees come from": files,
    "Commands": commands,
    "Subscriptions": updates,
    "How Kafka is followed": kafka,
}
_INTRODUCTION = (
    "`from tocsin import Client, AsyncClient`. What is to be known to use them is on [its own page](../how-to/use-the-python-client.md). "
    "`AsyncClient` has the same methods: `await` what returns an answer, `async for` what is an iterator, `aclose()` instead of `close()`. "
    "All types and errors are in `tocsin.client`. In the examples `client` is a `Client`."
)


_KAFKA = (
    "`from tocsin import KafkaClient, AsyncKafkaClient`: all of the above without a backend, and what follows here besides. What is to be "
    "known to use them is on [its own page](../how-to/read-alarms-from-kafka.md). In these examples `client` is a `KafkaClient`."
)


def client_page() -> str:
    """Clients, errors and types, each with its example."""
    return page(
        "Python client",
        prose(_INTRODUCTION),
        "## Client",
        *_of_class(Client, "Client"),
        *(part for name, method in _methods(Client) for part in _of_method(f"Client.{name}", method)),
        "## Long answers",
        *_text(Pages),
        *_properties(Pages),
        "## Subscription",
        *_text(Subscription),
        "## Straight from Kafka",
        prose(_KAFKA),
        *_of_class(KafkaClient, "KafkaClient"),
        table(["option", "type", "meaning"], list(_options(KafkaOptions))),
        *(part for name, member in _own(KafkaClient) for part in _of_member(f"KafkaClient.{name}", member)),
        "### AsyncKafkaClient",
        *_text(AsyncKafkaClient),
        *_text(AsyncKafkaClient.__init__),
        "## Data frames",
        *_of_method("frames.frame", frames.frame),
        "## Errors",
        "```text\n" + (inspect.getdoc(errors) or "").partition("\n\n")[2] + "\n```",
        *(part for kind in _classes(errors) for part in ("### " + kind.__name__, *_text(kind))),
        "## Words",
        *(part for kind in _classes(names) for part in _of_words(kind)),
        *(part for title, module in _FAMILIES.items() for part in (f"## {title}", *_of_types(module))),
    )


def _classes(module: Any) -> list[type[Any]]:
    """Public classes that a module defines, in its order."""
    found = [thing for thing in vars(module).values() if inspect.isclass(thing) and thing.__module__ == module.__name__]
    return [kind for kind in found if not kind.__name__.startswith("_")]


def _methods(kind: type[Any]) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Public methods, those of the first base first."""
    for base in (kind, *kind.__mro__[1:-1]):
        for name, method in vars(base).items():
            if inspect.isfunction(method) and not name.startswith("_"):
                yield name, method


def _own(kind: type[Any]) -> Iterator[tuple[str, Any]]:
    """What a client has that the others do not, or do in another way."""
    for name, member in vars(kind).items():
        if not name.startswith("_") and (inspect.isfunction(member) or isinstance(member, property)):
            yield name, member


def _of_member(name: str, member: Any) -> list[str]:
    return [f"### {name}", *_text(member)] if isinstance(member, property) else _of_method(name, member)


def _options(kind: type[Any]) -> Iterator[list[str]]:
    """The keyword arguments that both clients take, as they are declared."""
    meanings = documented(kind)
    for name, annotation in kind.__annotations__.items():
        yield [code(name), code(getattr(annotation, "__forward_arg__", annotation)), meanings.get(name, "")]


def _of_class(kind: type[Any], name: str) -> list[str]:
    return [_signature(name, kind.__init__), *_text(kind), *_text(kind.__init__)]


def _of_method(name: str, method: Callable[..., Any]) -> list[str]:
    return [f"### {name}", _signature(name.rpartition(".")[2], method), *_text(method)]


def _of_words(kind: type[Any]) -> list[str]:
    rows = [[code(word), documented(kind).get(word.name, "")] for word in kind] if issubclass(kind, Enum) else []
    return [f"### {kind.__name__}", *_text(kind), table(["word", "meaning"], rows), *_properties(kind)]


def _of_types(module: Any) -> Iterator[str]:
    for kind in _classes(module):
        yield f"### {kind.__name__}"
        yield from _text(kind)
        if dataclasses.is_dataclass(kind):
            meanings: dict[str, str] = {}
            for base in reversed(kind.__mro__[:-1]):
                meanings |= documented(base)
            rows = [[code(field.name), code(field.type), meanings.get(field.name, "")] for field in dataclasses.fields(kind)]
            yield table(["field", "type", "meaning"], rows)
        yield from _properties(kind)


def _properties(kind: type[Any]) -> Iterator[str]:
    """What else a type can say of itself."""
    for name, member in vars(kind).items():
        if not name.startswith("_") and (isinstance(member, property) or inspect.isfunction(member)):
            yield f"`{name}{'' if isinstance(member, property) else '()'}`: " + (inspect.getdoc(member) or "").partition("\n\n")[0]


def _signature(name: str, method: Callable[..., Any]) -> str:
    """As it is called: one line for each argument where they are many."""
    signature = inspect.signature(method)
    parameters = [parameter for parameter in signature.parameters.values() if parameter.name != "self"]
    shown = [str(parameter) for parameter in parameters]
    keyword_only = [at for at, parameter in enumerate(parameters) if parameter.kind is inspect.Parameter.KEYWORD_ONLY]
    if keyword_only:
        shown.insert(keyword_only[0], "*")
    returned = "" if signature.return_annotation in (None, "None", inspect.Signature.empty) else f" -> {signature.return_annotation}"
    shown = [text.replace("'", "") if "=" not in text else text.replace(": '", ": ").replace("' =", " =") for text in shown]
    line = f"{name}({', '.join(shown)}){returned}"
    if len(line) > 100:
        line = f"{name}(\n" + "".join(f"    {text},\n" for text in shown) + f"){returned}"
    return f"```python\n{line}\n```"


def _text(thing: object) -> Iterator[str]:
    """A docstring: paragraphs, then its example."""
    text, found, example = (inspect.getdoc(thing) or "").partition(">>> ")
    yield from (prose(part) for part in text.strip().split("\n\n") if part.strip())
    if found:
        yield "```pycon\n" + (found + example).strip() + "\n```"
