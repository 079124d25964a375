"""A control plane of Kubernetes without nodes: etcd, API server and controllers, on loopback, with their data in a temporary folder."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import httpx
import yaml

from tests.k8s.building import kubectl
from tests.kafka_broker import LOOPBACK, free_ports

START_S = 300.0
"""Longest wait for a program; a starved machine needs it."""
# The shell ends the program when its own input ends: also when the tests are killed.
_GUARD = '"$@" </dev/null >&2 & child=$!; cat >/dev/null; kill -9 $child 2>/dev/null; wait $child'


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command said."""

    code: int
    out: str
    err: str


class ControlPlane:
    """A context manager. `kubectl` and `shell` ask it, `client` is its API with the rights of an administrator."""

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        self._directory = tempfile.TemporaryDirectory(prefix="tocsin-kubernetes-")
        self.directory = Path(self._directory.name)
        self._port, self._etcd, self._peers = free_ports(3)
        self._token = os.urandom(16).hex()
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self.kubeconfig = self.directory / "kubeconfig"
        url = f"https://{LOOPBACK}:{self._port}"
        self.client = httpx.Client(base_url=url, verify=False, headers={"Authorization": f"Bearer {self._token}"}, timeout=30)

    def __enter__(self) -> Self:
        try:
            self._write_files()
            self._start_etcd()
            self._start_api_server()
            self._wait()
            self._start("controllers", str(self.kubeconfig))
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End all of it and remove its data."""
        self.client.close()
        for process in reversed(self._running.values()):
            if process.stdin is not None:
                process.stdin.close()
            process.wait()
        self._directory.cleanup()

    def kubectl(self, *arguments: str, said: str = "") -> Answer:
        """Ask by kubectl; `said` is its input."""
        return self._run([kubectl(), *arguments], said)

    def shell(self, text: str, directory: Path | None = None) -> Answer:
        """Carry out lines of bash, in which `kubectl` asks this cluster."""
        return self._run(["bash", "-euo", "pipefail", "-c", text], "", directory)

    def log(self, program: str) -> str:
        """What it has said."""
        return (self.directory / f"{program}.log").read_text("utf-8", "replace")

    def _run(self, command: Sequence[str], said: str, directory: Path | None = None) -> Answer:
        path = f"{Path(kubectl()).parent}:{os.environ['PATH']}"
        environment = {**os.environ, "KUBECONFIG": str(self.kubeconfig), "PATH": path, "HOME": str(self.directory)}
        done = subprocess.run(command, input=said, capture_output=True, text=True, env=environment, cwd=directory, check=False)
        return Answer(done.returncode, done.stdout, done.stderr)

    def _write_files(self) -> None:
        (self.directory / "tokens.csv").write_text(f'{self._token},administrator,1,"system:masters"\n', "utf-8")
        cluster = {"server": str(self.client.base_url), "insecure-skip-tls-verify": True}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": "test", "user": {"token": self._token}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        }
        self.kubeconfig.write_text(yaml.safe_dump(config), "utf-8")
        make = ["openssl", "genrsa", "-out", str(self.directory / "accounts.key"), "2048"]
        subprocess.run(make, stdin=subprocess.DEVNULL, capture_output=True, check=True)

    def _start_etcd(self) -> None:
        own, peers = f"http://{LOOPBACK}:{self._etcd}", f"http://{LOOPBACK}:{self._peers}"
        self._start(
            "etcd",
            f"--data-dir={self.directory / 'etcd'}",
            f"--listen-client-urls={own}",
            f"--advertise-client-urls={own}",
            f"--listen-peer-urls={peers}",
            f"--initial-advertise-peer-urls={peers}",
            f"--initial-cluster=default={peers}",
            "--unsafe-no-fsync",
        )

    def _start_api_server(self) -> None:
        self._start(
            "kube-apiserver",
            f"--etcd-servers=http://{LOOPBACK}:{self._etcd}",
            f"--bind-address={LOOPBACK}",
            f"--secure-port={self._port}",
            f"--cert-dir={self.directory / 'certificates'}",
            f"--token-auth-file={self.directory / 'tokens.csv'}",
            f"--service-account-key-file={self.directory / 'accounts.key'}",
            f"--service-account-signing-key-file={self.directory / 'accounts.key'}",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--endpoint-reconciler-type=none",  # nobody reaches it by a Service
            "--authorization-mode=RBAC",
        )

    def _start(self, program: str, *arguments: str) -> None:
        with (self.directory / f"{program}.log").open("wb") as log:
            command = ["sh", "-c", _GUARD, "sh", str(self._programs / program), *arguments]
            self._running[program] = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True)

    def _wait(self) -> None:
        """Until the API answers."""
        deadline = time.monotonic() + START_S
        while True:
            try:
                if self.client.get("/readyz").is_success:
                    return
            except httpx.TransportError:
                pass
            gone = [name for name, process in self._running.items() if process.poll() is not None]
            if gone or time.monotonic() > deadline:
                raise RuntimeError("the API server did not start:\n" + "\n".join(self.log(name)[-2000:] for name in self._running))
            time.sleep(0.1)
