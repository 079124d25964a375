"""A real Elasticsearch for tests and benchmarks: one node on loopback, on a free port, with its data in a temporary folder.

with ElasticsearchServer() as server:
    client = AsyncElasticsearch(server.url)

`shared_server()` is the one server of a test session. Indices need random names there. What is fetched is the distribution that Elastic
publishes for the tests of its plugins: the same server with few modules (no ILM, no scripts, no SQL).
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import http.client
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from tests.kafka_broker import LOOPBACK, free_ports
from tests.maven_cache import Artifact

DATA = Path(__file__).parent / "data" / "elasticsearch"
START_S = 120.0
"""Longest wait for the server; a starved machine needs it."""
_ELASTICSEARCH = Artifact("Elasticsearch", "elasticsearch", DATA / "pom.xml", ("-Ddestination=@TO@", "generate-resources"))
_NOBODY = "nobody"
# What is started is a launcher, the server its child: a session of their own lets both be ended by one number, that of the launcher.
# The shell ends them when its own input ends: also when the tests are killed.
_GUARD = 'setsid "$@" </dev/null >&2 & child=$!; echo $child; cat >/dev/null; kill -9 -$child 2>/dev/null; wait $child'


class ElasticsearchServer:
    """One node. A context manager; it can be killed, paused and started again on the same port with the same data."""

    def __init__(self, heap_mb: int = 512, data: Path | None = None) -> None:
        """`data`: a folder for its data, which stays when it is closed; else they go with it."""
        check_tools()
        distribution = fetched()
        self._directory = tempfile.TemporaryDirectory(prefix="tocsin-elasticsearch-")
        self._home = Path(self._directory.name)
        self._data = data or self._home / "data"
        self._process: subprocess.Popen[str] | None = None
        self._group = 0
        (self.port,) = free_ports(1)
        try:
            self._program = self._readable(next(distribution.glob("elasticsearch-*")))
            self._configure(heap_mb)
            self.start()
        except BaseException:
            self.close()
            raise

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def session(self) -> int:
        """Number of the session (`setsid`) of its processes."""
        return self._group

    @property
    def running(self) -> bool:
        """It was started and not killed since."""
        return self._process is not None

    def start(self) -> None:
        """Start it and wait until it serves."""
        with (self._home / "server.log").open("a") as log:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", _GUARD, "sh", *self._command()],
                cwd=self._program,
                env=self._environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self._process.stdout is not None
        self._group = int(self._process.stdout.readline())
        self._wait()

    def kill(self) -> None:
        """As a crash would; its data and port stay. Returns when it is gone."""
        if self._process is None:
            return
        self._signal(signal.SIGKILL)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.wait()
        self._process = None

    def pause(self) -> None:
        """Hang: sockets stay open, nothing answers. Undone by `resume`."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Go on after `pause`."""
        self._signal(signal.SIGCONT)

    def log(self) -> str:
        """What it has said."""
        return (self._home / "server.log").read_text(encoding="utf-8", errors="replace")

    def close(self) -> None:
        """Kill it and remove its data, unless they were given a folder."""
        self.kill()
        self._directory.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._group, number)

    def _readable(self, program: Path) -> Path:
        """The distribution where the server's user can read it: root's cache is closed to others, so root links it into the data folder."""
        if os.geteuid() != 0:
            return program
        linked = self._home / "program"
        shutil.copytree(program, linked, copy_function=_link)
        return linked

    def _configure(self, heap_mb: int) -> None:
        for name in ("conf/jvm.options.d", "logs", "tmp"):
            (self._home / name).mkdir(parents=True)
        self._data.mkdir(parents=True, exist_ok=True)
        settings = (DATA / "elasticsearch.yml").read_text(encoding="utf-8")
        settings = settings.replace("@PORT@", str(self.port)).replace("@DATA@", str(self._data)).replace("@HOME@", str(self._home))
        (self._home / "conf/elasticsearch.yml").write_text(settings, encoding="utf-8")
        original = self._program / "config"
        shutil.copyfile(original / "log4j2.properties", self._home / "conf/log4j2.properties")
        options = (original / "jvm.options").read_text(encoding="utf-8").splitlines()
        kept = [line for line in options if not line.startswith("-Xlog:gc") and "HeapDump" not in line and "UseG1GC" not in line]
        (self._home / "conf/jvm.options").write_text("\n".join(kept), encoding="utf-8")
        quick = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-AlwaysPreTouch", "-Xms128m", f"-Xmx{heap_mb}m")
        (self._home / "conf/jvm.options.d/test.options").write_text("\n".join(quick), encoding="utf-8")
        if os.geteuid() == 0:
            self._home.chmod(0o755)
            own = [*(self._home / name for name in ("conf", "logs", "tmp")), self._data]
            for path in [*own, *(below for folder in own for below in folder.rglob("*"))]:
                shutil.chown(path, _NOBODY, _group())

    def _command(self) -> Sequence[str]:
        java = [str(_java_home() / "bin" / "java"), "-Xms4m", "-Xmx64m", "-XX:+UseSerialGC"]
        places = {
            "cli.name": "server",
            "cli.script": str(self._program / "bin" / "elasticsearch"),
            "cli.libs": "lib/tools/server-cli",
            "es.path.home": str(self._program),
            "es.path.conf": str(self._home / "conf"),
            "es.distribution.type": "zip",
            "es.java.type": "ES_JAVA_HOME",
        }
        launcher = ["-cp", "lib/*:lib/cli-launcher/*", "org.elasticsearch.launcher.CliToolLauncher"]
        command = [*java, *(f"-D{name}={value}" for name, value in places.items()), *launcher]
        if os.geteuid() == 0:  # the server refuses to run as root
            command = ["setpriv", f"--reuid={_NOBODY}", f"--regid={_group()}", "--clear-groups", *command]
        return command

    def _environment(self) -> Mapping[str, str]:
        kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG")}
        places = {"ES_PATH_CONF": self._home / "conf", "ES_TMPDIR": self._home / "tmp", "HOME": self._home / "tmp"}
        return kept | {"ES_JAVA_HOME": str(_java_home())} | {name: str(path) for name, path in places.items()}

    def _wait(self) -> None:
        deadline = time.monotonic() + START_S
        while not _ready(self.port):
            if not Path(f"/proc/{self._group}").exists():
                raise RuntimeError(f"Elasticsearch has ended:\n{self.log()[-3000:]}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"Elasticsearch did not start within {START_S:g} s:\n{self.log()[-3000:]}")
            time.sleep(0.05)


def _ready(port: int) -> bool:
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=5)
    try:
        connection.request("GET", "/_cluster/health?wait_for_status=yellow&timeout=2s")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copyfile(source, target)


def _group() -> int:
    return pwd.getpwnam(_NOBODY).pw_gid


def _java_home() -> Path:
    if given := os.environ.get("JAVA_HOME"):
        return Path(given)
    return Path(shutil.which("java") or "java").resolve().parents[1]


def check_tools() -> None:
    """Raise `maven_cache.Missing` unless it can be fetched and run here."""
    _ELASTICSEARCH.check_tools()


def fetched() -> Path:
    """The distribution, fetched if it is not there yet; raises `maven_cache.Missing`."""
    return _ELASTICSEARCH.fetched()


@functools.cache
def shared_server() -> ElasticsearchServer:
    """The one server of this process, started at first use, ended with it. Raises `maven_cache.Missing`."""
    server = ElasticsearchServer()
    atexit.register(server.close)
    return server
