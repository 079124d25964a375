"""Where the demo keeps its files, and what it deletes there."""

import pytest

from alarm_engine.errors import JournalUnavailable, SettingsError
from alarm_engine.journal.file_lock import FileLock
from tocsin.cli.demo import _program
from tocsin.demo.site import demo_settings, forget, write_settings
from tocsin.settings import load


@pytest.fixture
def demo(tmp_path):
    """A directory in which a demo has been."""
    directory = tmp_path / "demo"
    settings = demo_settings(directory, ("127.0.0.1:5064",), 0)
    (directory / "grafana").mkdir()
    for name in ("", "-wal", "-shm", ".lock"):
        settings.store.with_name(settings.store.name + name).write_bytes(b"")
    return directory


def test_an_edited_tree_is_kept(demo):
    tree = demo / "tree" / "tree.yaml"
    tree.write_text("config: Mine\n")
    demo_settings(demo, (), 0)
    assert tree.read_text() == "config: Mine\n"


def test_a_fresh_demo_forgets_everything(demo):
    forget(demo)
    assert not demo.exists()
    forget(demo)


def test_files_of_others_are_not_deleted(demo):
    (demo / "site.yaml").write_text("configurations: []\n")
    with pytest.raises(SettingsError, match=r"holds site\.yaml: nothing was deleted"):
        forget(demo)
    assert (demo / "tocsin.sqlite").exists()


def test_the_store_of_a_site_is_not_deleted(tmp_path):
    (tmp_path / "tocsin.sqlite").write_bytes(b"")
    with pytest.raises(SettingsError, match="holds no tree: nothing was deleted"):
        forget(tmp_path)
    assert (tmp_path / "tocsin.sqlite").exists()


def test_a_demo_that_runs_is_not_deleted(demo):
    lock = FileLock(demo / "tocsin.sqlite")
    lock.acquire()
    with pytest.raises(JournalUnavailable, match="is in use by"):
        forget(demo)
    lock.release()
    assert (demo / "tree" / "tree.yaml").exists()


def test_a_place_that_cannot_be_one_is_said(tmp_path):
    file = tmp_path / "file"
    file.write_bytes(b"")
    with pytest.raises(SettingsError, match=r"cannot keep its files in .*file: Not a directory"):
        demo_settings(file, (), 0)


def test_the_settings_of_a_demo_that_runs_are_a_file_for_other_commands(demo):
    settings = demo_settings(demo, ("127.0.0.1:5064",), 0)
    file = write_settings(demo, settings, 18080)
    found = load(file)
    assert found.backend.port == 18080
    assert (found.store, found.channel_access, found.configurations) == (settings.store, settings.channel_access, settings.configurations)
    assert [path.name for path in demo.glob("demo*")] == ["demo.yaml"]
    forget(demo)
    assert not demo.exists()


def test_the_demo_names_itself_as_it_can_be_called(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    program = tmp_path / ".venv" / "bin" / "tocsin"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", "/nowhere")
    assert _program(str(program)) == ".venv/bin/tocsin"
    monkeypatch.setenv("PATH", str(program.parent))
    assert _program(str(program)) == "tocsin"
    assert _program("/x/tocsin/__main__.py") == "tocsin"
