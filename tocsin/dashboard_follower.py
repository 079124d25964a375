"""Dashboards kept at what the files of the trees say, for a Grafana that has no files of ours otherwise."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import structlog

from alarm_engine.config.tree import ConfigTree
from tocsin.file_stamps import Settling, Stamps, look
from tocsin.grafana_files import write_grafana_files
from tocsin.settings import Settings
from tocsin.settings_sections import ConfigurationSettings
from tocsin.trees import load, report

log = structlog.get_logger()


@dataclass(slots=True)
class _Followed:
    """The files of one configuration."""

    settings: ConfigurationSettings
    settling: Settling = field(default_factory=lambda: Settling(Stamps("", ())))
    names: tuple[str, ...] = ()
    tree: ConfigTree | None = None
    """The last one without errors."""


class DashboardFollower:
    """Writes all files for Grafana again whenever a tree has changed; faulty or missing files leave what was made before."""

    def __init__(self, settings: Settings) -> None:
        """`settings.dashboards.out` says where to."""
        self._settings = settings
        self._followed = [_Followed(one) for one in settings.configurations if one.tree is not None]
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.create_task(self._run(), name="follow trees for dashboards")

    async def stop(self) -> None:
        """Look no more; may be called again."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    def failure(self) -> BaseException | None:
        """What ended the looking, which must not end; None while it goes on."""
        task = self._task
        return task.exception() if task is not None and task.done() and not task.cancelled() else None

    async def _run(self) -> None:
        while True:
            await asyncio.to_thread(self._look)
            await asyncio.sleep(self._settings.sync.look_every_s)

    def _look(self) -> None:
        """Look once. Runs in a thread: a large tree takes seconds."""
        changed = [self._read(one) for one in self._followed]
        trees = [one.tree for one in self._followed if one.tree is not None]
        if any(changed) and trees:
            backend = self._settings.backend
            url = self._settings.dashboards.backend_url or f"http://{backend.host}:{backend.port}"
            write_grafana_files(self._settings.dashboards, trees, url)

    def _read(self, one: _Followed) -> bool:
        """Read the files if they are new and nobody is writing them; True if there is another tree."""
        assert one.settings.tree is not None
        stamps = look(one.settings.tree, one.names)
        if not one.settling.may_read(stamps):
            return False
        loaded, result = load(one.settings)
        one.names = result.files or (str(one.settings.tree),)
        one.settling.was_read(loaded.stamps if loaded is not None else look(one.settings.tree, one.names))
        if loaded is None or result.errors:
            report(result)
            log.warning("alarm tree has errors: its dashboards stay as they are", tree=str(one.settings.tree))
            return False
        one.tree = loaded.tree
        return True
