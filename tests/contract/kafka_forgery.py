"""Transactions whose marks a broker has forgotten, made at will.

A broker that is killed at the right moment forgets them; here it is given the last batch of a topic once more in the name of the producer
that wrote it, behind the mark of its transaction. To readers that is the same: records of a transaction that nobody ends.
"""

from __future__ import annotations

import socket
import struct
from pathlib import Path

from tests.kafka_broker import KafkaCluster

PROPERTIES = {"transaction.partition.verification.enable": "false"}
"""Of a broker that takes such a batch."""
_CONTROL = 0x20
_PRODUCE, _PRODUCE_VERSION = 0, 7
_TIMEOUT_S = 20


def hide(cluster: KafkaCluster, log: Path, transactional_id: str) -> None:
    """Write the last batch of records in a log of a partition 0 again, which nobody ends then. Before another producer has that id."""
    batch = _last_batch(log)
    count, sequence = struct.unpack(">i", batch[57:61])[0], struct.unpack(">i", batch[53:57])[0]
    batch[0:8] = struct.pack(">q", 0)
    batch[12:16] = struct.pack(">i", -1)
    batch[53:57] = struct.pack(">i", sequence + count)
    batch[17:21] = struct.pack(">I", _crc32c(bytes(batch[21:])))
    topic = log.parent.name.removesuffix("-0")
    body = (
        struct.pack(">hhi", _PRODUCE, _PRODUCE_VERSION, 1)
        + _text("forger")
        + _text(transactional_id)
        + struct.pack(">hii", -1, _TIMEOUT_S * 1000, 1)
        + _text(topic)
        + struct.pack(">iii", 1, 0, len(batch))
        + bytes(batch)
    )
    host, _, port = cluster.servers.partition(":")
    with socket.create_connection((host, int(port)), _TIMEOUT_S) as connection:
        connection.sendall(struct.pack(">i", len(body)) + body)
        answer = _read(connection, struct.unpack(">i", _read(connection, 4))[0])
    (error,) = struct.unpack(">h", answer[4 + 4 + 2 + len(topic) + 4 + 4 :][:2])
    assert error == 0, f"the broker refuses the batch: error {error}"


def _last_batch(log: Path) -> bytearray:
    data, at, found = log.read_bytes(), 0, bytearray()
    while at + 61 <= len(data) and (size := struct.unpack(">i", data[at + 8 : at + 12])[0]) > 0:
        batch = bytearray(data[at : at + 12 + size])
        found = found if batch[22] & _CONTROL else batch
        at += 12 + size
    return found


def _read(connection: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        found += connection.recv(size - len(found))
    return found


def _text(text: str) -> bytes:
    return struct.pack(">h", len(text)) + text.encode()


def _crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF
