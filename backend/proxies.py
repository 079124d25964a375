"""Proxies in front of the backend: which are believed, and who asks behind them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network


def network(text: str) -> Network:
    """An address or a network, as 10.244.0.0/16; raises `ValueError` that says what was expected."""
    try:
        return ip_network(text)
    except ValueError as problem:
        raise ValueError(f"{text!r} is neither an address nor a network: expected one as 127.0.0.1 or 10.244.0.0/16 ({problem})") from None


def is_among(address: str, networks: Iterable[Network]) -> bool:
    """False too for what is no address."""
    found = _address(address)
    return found is not None and any(found in network for network in networks if network.version == found.version)


def client_behind(peer: str, forwarded: str, proxies: Sequence[Network]) -> str:
    """The address of who asks: the last one of `X-Forwarded-For` that is no proxy of ours.

    `peer` is who connected. Each proxy puts the address that it has heard from at the end of the header, and whoever asks may have written
    what is before that: so only our own proxies are believed, one after the other from the end.
    """
    client = peer
    for text in reversed(forwarded.split(",")):
        if not is_among(client, proxies):
            break
        found = _address(text)
        if found is None:
            break
        client = str(found)
    return client


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """Also with a port, and an IPv4 address that is written as one of IPv6."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ip_address(text)
    except ValueError:
        return None
    return (found.ipv4_mapped or found) if isinstance(found, IPv6Address) else found
