"""`tocsin config diff`, `sync` and `export` on a real store, also beside a running engine."""

from __future__ import annotations

import asyncio
from datetime import UTC

import pytest
from typer.testing import CliRunner

from alarm_engine.config.load import read_tree
from alarm_engine.errors import SettingsError
from alarm_engine.journal.port import Record
from alarm_engine.journal.sqlite import SqliteJournal
from alarm_engine.journal.sqlite_file import SqliteFile
from alarm_engine.model.settings import AlarmSettings
from alarm_engine.wire.config import encode_config
from tocsin.cli.main import app

pytestmark = pytest.mark.system

TREE = """\
config: Site
systems:
  Cooling:
    pvs:
      SITE:Flow: Flow low
      SITE:Temp: {description: Temperature, delay: 10s}
"""


class Here:
    def __init__(self, directory):
        self.directory = directory
        self.tree = directory / "tree.yaml"
        self.tree.write_text(TREE)
        (directory / "site.yaml").write_text("configurations: [{tree: tree.yaml}]\n")

    def run(self, command):
        result = CliRunner().invoke(app, ["config", command, "-s", str(self.directory / "site.yaml")])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, result.output

    def foreign(self, path, settings):
        """An edit by another client."""
        asyncio.run(self._foreign(path, settings))

    async def _foreign(self, path, settings):
        journal = SqliteJournal(SqliteFile(self.directory / "tocsin.sqlite"))
        await journal.start()
        await journal.append([Record("Site", f"config:{path}", encode_config(settings, "mara", "ops7", UTC))])
        await journal.close()


@pytest.fixture
def here(tmp_path):
    return Here(tmp_path)


def test_from_nothing_to_no_difference(here):
    code, said = here.run("diff")
    assert code == 1
    assert "+ /Site/Cooling/SITE:Flow" in said
    with pytest.raises(SettingsError, match="nothing is in force for Site"):
        here.run("export")
    assert here.run("sync")[0] == 0
    assert here.run("diff") == (0, "Site: 0 added, 0 edited, 0 removed, 0 only in force\n")


def test_an_edit_is_shown_by_field_and_what_operators_own_stays(here):
    here.run("sync")
    shelved = AlarmSettings("Temperature", delay_s=10, enabled=False, enabled_at=2_000_000_000_000_000_000)
    here.foreign("/Site/Cooling/SITE:Temp", shelved)
    here.foreign("/Site/Cooling/EXTRA", AlarmSettings("By another client"))
    here.tree.write_text(TREE.replace("10s", "20s").replace("      SITE:Flow: Flow low\n", ""))
    code, said = here.run("diff")
    assert code == 1
    assert "- /Site/Cooling/SITE:Flow" in said
    assert "delay_s: 10 -> 20" in said
    assert "enabled" not in said
    assert "? /Site/Cooling/EXTRA: only in force" in said
    assert here.run("sync")[0] == 0
    exported = here.directory / "exported.yaml"
    exported.write_text(here.run("export")[1])
    alarms = read_tree(exported).alarms
    assert set(alarms) == {"/Site/Cooling/EXTRA", "/Site/Cooling/SITE:Temp"}
    assert alarms["/Site/Cooling/SITE:Temp"] == AlarmSettings("Temperature", delay_s=20, enabled=False, enabled_at=shelved.enabled_at)


def test_dashboards_follow_what_was_brought_into_force(here):
    site = here.directory / "site.yaml"
    site.write_text(site.read_text() + "dashboards: {out: grafana}\n")
    assert here.run("sync")[0] == 0
    made = here.directory / "grafana" / "dashboards" / "Site"
    assert (made / "tocsin-Site-Cooling.json").exists()
    here.tree.write_text(TREE.replace("Cooling", "Water"))
    assert here.run("sync")[0] == 0
    assert (made / "tocsin-Site-Water.json").exists()
    assert not (made / "tocsin-Site-Cooling.json").exists()
    assert (here.directory / "grafana" / "provisioning" / "datasources" / "tocsin.yaml").exists()
