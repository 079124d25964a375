"""Certificates for brokers and clients on loopback, made by openssl."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.kafka_jars import Missing


def make_certificates(directory: Path) -> Path:
    """Folder with `ca.pem`, `broker.pem` (key and certificate), `client.pem`, `client.key`; raises `Missing`."""
    if shutil.which("openssl") is None:
        raise Missing("certificates for tests are made by openssl: apt-get install openssl")
    directory.mkdir(exist_ok=True)
    _openssl(directory, "req", "-x509", *_NEW, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=tocsin test authority")
    for name in ("broker", "client"):
        make_certificate(directory, name)
    (directory / "broker.pem").write_text((directory / "broker.key").read_text() + (directory / "broker.pem").read_text())
    return directory


def make_certificate(directory: Path, name: str) -> None:
    """`<name>.pem` and `<name>.key`, anew."""
    _openssl(directory, "req", *_NEW, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
    (directory / "san").write_text("subjectAltName=IP:127.0.0.1\n")
    signing = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "san"]
    _openssl(directory, "x509", "-req", "-in", f"{name}.csr", *signing, "-out", f"{name}.pem", "-days", "2")


_NEW = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]


def _openssl(directory: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=directory, stdin=subprocess.DEVNULL, capture_output=True, check=True)
