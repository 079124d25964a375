"""Settings of the demo: those of any site, with the demo machine's tree and addresses."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from tocsin.settings import (
    BackendSection,
    ChannelAccessSection,
    ConfigurationSettings,
    DashboardsSection,
    EngineSection,
    Settings,
)


def demo_settings(directory: Path, addresses: tuple[str, ...], port: int) -> Settings:
    """Settings for a demo that keeps its files in `directory`; the tree is copied there once, so that it can be edited."""
    directory = directory.absolute()
    tree = directory / "tree"
    if not tree.exists():
        tree.mkdir(parents=True)
        for source in files("tocsin.demo").joinpath("tree").iterdir():
            if source.name.endswith(".yaml"):
                (tree / source.name).write_bytes(source.read_bytes())
    return Settings(
        configurations=(ConfigurationSettings(tree=tree / "tree.yaml", time_zone=None),),
        store=directory / "tocsin.sqlite",
        engine=EngineSection(connection_timeout_s=5),
        channel_access=ChannelAccessSection(addr_list=addresses, auto_addr_list=False),
        backend=BackendSection(port=port),
        dashboards=DashboardsSection(out=directory / "grafana"),
    )
