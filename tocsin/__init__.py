"""The public face: settings, assembly, command line, demo, and the Python client.

`from tocsin import Client, AsyncClient, KafkaClient`: each is loaded when it is first used.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tocsin.client import AsyncClient, AsyncKafkaClient, Client, KafkaClient

__all__ = ["AsyncClient", "AsyncKafkaClient", "Client", "KafkaClient"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from tocsin import client

    return getattr(client, name)
