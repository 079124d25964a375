"""Settings of the demo: those of any site, with the demo machine's tree and addresses."""

from __future__ import annotations

import os
import shutil
from importlib.resources import files
from pathlib import Path

import yaml

from alarm_engine.errors import SettingsError
from alarm_engine.journal.file_lock import FileLock
from tocsin.settings import Settings
from tocsin.settings_sections import (
    BackendSection,
    ChannelAccessSection,
    ConfigurationSettings,
    DashboardsSection,
    EngineSection,
)

_STORE, _TREE, _GRAFANA, SETTINGS = "tocsin.sqlite", "tree", "grafana", "demo.yaml"
_HEAD = "# Settings of the demo that was started last: for the commands that take --settings. The demo itself does not read them.\n"


def forget(directory: Path) -> None:
    """Remove what an earlier demo left; without effect if there is none.

    Raises `SettingsError` if the directory holds anything else, `JournalUnavailable` while a demo runs there: a directory of a site looks
    much like one of a demo.
    """
    store = directory / _STORE
    if not store.exists():
        return
    names = {path.name for path in directory.iterdir()}
    strange = sorted(name for name in names - {_TREE, _GRAFANA, SETTINGS} if not name.startswith(_STORE))
    if strange or _TREE not in names:
        why = f"holds {', '.join(strange[:3])}" if strange else f"holds no {_TREE}"
        raise SettingsError(
            f"{directory} is no directory of a demo, it {why}: nothing was deleted; give another --dir, or leave out --fresh"
        )
    lock = FileLock(store)
    lock.acquire()
    try:
        shutil.rmtree(directory)
    except OSError as problem:
        raise SettingsError(f"{directory} cannot be deleted: {problem.strerror} ({problem.filename})") from problem
    finally:
        lock.release()


def demo_settings(directory: Path, addresses: tuple[str, ...], port: int) -> Settings:
    """Settings for a demo that keeps its files in `directory`; the tree is copied there once, so that it can be edited.

    Raises `SettingsError` if nothing can be written there.
    """
    directory = directory.absolute()
    tree = directory / _TREE
    try:
        _copy_tree(tree)
    except OSError as problem:
        raise SettingsError(f"the demo cannot keep its files in {directory}: {problem.strerror}; give another --dir") from problem
    return Settings(
        configurations=(ConfigurationSettings(tree=tree / "tree.yaml", time_zone=None),),
        store=directory / _STORE,
        engine=EngineSection(connection_timeout_s=5),
        channel_access=ChannelAccessSection(addr_list=addresses, auto_addr_list=False),
        backend=BackendSection(port=port),
        dashboards=DashboardsSection(out=directory / _GRAFANA),
    )


def write_settings(directory: Path, settings: Settings, port: int) -> Path:
    """The settings of a demo that runs, for commands that take such a file; `port`: where it really listens. Raises `SettingsError`."""
    settings = settings.model_copy(update={"backend": BackendSection(port=port)})
    text = yaml.safe_dump(settings.model_dump(mode="json", exclude_unset=True, exclude_none=True), sort_keys=False)
    file = directory / SETTINGS
    try:
        beside = file.with_suffix(".new")
        beside.write_text(_HEAD + text, encoding="utf-8")
        os.replace(beside, file)
    except OSError as problem:
        raise SettingsError(f"{file}: cannot be written: {problem.strerror}") from problem
    return file


def _copy_tree(tree: Path) -> None:
    if tree.exists():
        return
    tree.mkdir(parents=True)
    for source in files("tocsin.demo").joinpath("tree").iterdir():
        if source.name.endswith(".yaml"):
            (tree / source.name).write_bytes(source.read_bytes())
