"""A site whose alarm tree comes from a git repository, as git-sync brings it: a link to a worktree, turned in one step."""

from __future__ import annotations

import asyncio
import os
import secrets
import subprocess
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from alarm_engine.journal.kafka import KafkaJournal
from alarm_engine.journal.kafka_settings import KafkaSettings
from alarm_engine.journal.reading import read_to_end
from alarm_engine.model.command import Command, CommandKind
from alarm_engine.model.event import Event, EventKind
from alarm_engine.wire.command import encode_command
from alarm_engine.wire.event import decode_event
from alarm_engine.wire.revision import Revision, decode_revision
from alarm_engine.wire.topics import Topics
from tests.ioc import Ioc
from tests.system.site import Site
from tocsin.application import Application, Role
from tocsin.settings import load
from tocsin.syncing import SyncService

_PATIENCE_S = 60.0


def _if(what, event: Event) -> Event | None:
    return event if what(event) else None


class GitSite(Site):
    """A `Site` in Kafka with a repository, and a hand that does what git-sync does."""

    def __init__(self, directory: Path, ioc: Ioc, servers: str, more: str = "") -> None:
        super().__init__(directory, ioc, servers, more)
        self.servers = servers
        self.topics = Topics(self.config)
        self.repository = directory / "repository"
        self.link = directory / "synced" / "current"
        self.url = ""
        self.repository.mkdir()
        self.link.parent.mkdir()
        self.git("init", "-q")
        site = directory / "site.yaml"
        site.write_text(site.read_text().replace("tree: tree.yaml", f"tree: {self.link}/tree.yaml"))

    def git(self, *arguments: str) -> str:
        identity = ("-c", "user.name=Mara", "-c", "user.email=mara@lab.example", "-c", "init.defaultBranch=main")
        mine = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        done = subprocess.run(["git", *identity, *arguments], cwd=self.repository, check=True, capture_output=True, text=True, env=mine)
        return done.stdout.strip()

    def commit(self, text: str, message: str) -> str:
        """A commit of the tree; returns its id. Nothing sees it before `turn`."""
        (self.repository / "tree.yaml").write_text(text, encoding="utf-8")
        self.git("add", ".")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def turn(self, commit: str) -> None:
        """What git-sync does: a worktree of the commit, then the link turned to it."""
        worktree = self.link.parent / ".worktrees" / commit
        if not worktree.exists():
            self.git("worktree", "add", "-q", "--detach", str(worktree), commit)
        fresh = self.link.with_name("next")
        fresh.symlink_to(worktree)
        fresh.replace(self.link)

    async def hook(self, commit: str) -> httpx.Response:
        """What git-sync does then."""
        async with httpx.AsyncClient(base_url=self.url, timeout=20) as client:
            return await client.post("/sync", headers={"Gitsync-Hash": commit})

    async def push(self, text: str, message: str) -> tuple[str, httpx.Response]:
        commit = self.commit(text, message)
        self.turn(commit)
        return commit, await self.hook(commit)

    async def status(self) -> dict:
        async with httpx.AsyncClient(base_url=self.url, timeout=20) as client:
            (found,) = (await client.get("/status")).json()
        return found

    @asynccontextmanager
    async def syncing(self):
        """`tocsin config sync --watch`, as an object in this process."""
        settings = load(self.directory / "site.yaml")
        service = SyncService(settings.model_copy(update={"health": settings.health.model_copy(update={"port": 0})}))
        try:
            await service.start()
            self.url = service.url
            yield service
        finally:
            await service.stop()

    @asynccontextmanager
    async def engine(self):
        """`tocsin engine`, as an object in this process."""
        application = Application(load(self.directory / "site.yaml"), roles={Role.ENGINE})
        try:
            await application.start()
            yield application
        finally:
            await application.stop()

    async def acknowledge(self, name: str, reason: str) -> None:
        command = Command(self.path(name), CommandKind.ACKNOWLEDGE, "mara", "ops7", id=secrets.token_hex(4), reason=reason)
        async with self.journal() as journal:
            await journal.append([encode_command(command, self.topics.command)])
        await self.event(lambda e: e.kind is EventKind.ACKNOWLEDGED and e.path == self.path(name))

    @asynccontextmanager
    async def journal(self):
        journal = KafkaJournal(KafkaSettings(self.servers))
        await journal.start()
        try:
            yield journal
        finally:
            await journal.close()

    async def records(self, topic: str) -> list:
        async with self.journal() as journal:
            return [record async for record in read_to_end(journal, [topic])]

    async def all_events(self) -> list[Event]:
        return [decode_event(record.value) for record in await self.records(self.topics.events)]

    async def event(self, what) -> Event:
        """Wait for one, or find it among those that were."""
        return await self.record(self.topics.events, lambda record: _if(what, decode_event(record.value)))

    async def record(self, topic: str, what):
        """Wait until `what` gives something for a record of a topic."""
        async with self.journal() as journal:
            reader = journal.reader([topic])
            try:
                async with asyncio.timeout(_PATIENCE_S):
                    while True:
                        for record in (await reader.fetch(timeout_s=1)).records:
                            if found := what(record):
                                return found
            except TimeoutError:
                logs = "\n".join(log.read_text() for log in self.directory.glob("*.log"))
                pytest.fail(f"waited in vain for a record on {topic}\n{logs}")
            finally:
                await reader.close()

    async def marks(self) -> list[Revision]:
        return [decode_revision(r.value) for r in await self.records(self.topics.settings) if r.key.startswith("revision:")]

    async def configs(self) -> dict[str, bytes | None]:
        return {r.key[7:]: r.value for r in await self.records(self.topics.config) if r.key.startswith("config:")}

    def tree(self, **pvs: str) -> str:
        """The text of a tree: its PVs by their name without prefix, each with what stands behind the colon; `_` for a system."""
        systems: dict[str, list[str]] = {}
        for name, value in pvs.items():
            system, _, pv = name.rpartition("_")
            systems.setdefault(system or "Vacuum", []).append(f'      "{self.ioc.prefix}{pv}": {value}\n')
        body = "".join(f"  {system}:\n    pvs:\n{''.join(lines)}" for system, lines in systems.items())
        return f"config: {self.config}\nsystems:\n{body}"
