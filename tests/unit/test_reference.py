"""The generated pages of docs/reference are those of the code."""

import json
import re
from typing import get_args

import pytest
import typer
import yaml
from pydantic import BaseModel

from alarm_engine.model.event import EventKind
from alarm_engine.wire.event import decode_event, encode_event
from alarm_engine.wire.keys import RecordType
from tocsin.cli.commands import whole
from tocsin.cli.main import app
from tocsin.reference import events_page
from tocsin.reference.cli_page import commands
from tocsin.reference.markdown import documented
from tocsin.reference.pages import DIRECTORY, pages, write
from tocsin.settings import Settings, validate
from tocsin.settings_sections import Section

PAGES = pages()


@pytest.mark.parametrize("name", sorted(PAGES))
def test_the_committed_page_is_the_one_of_the_code(name):
    committed = DIRECTORY / name
    advice = "run make docs, and commit what it wrote"
    assert committed.exists(), f"docs/reference/{name} is missing: {advice}"
    assert committed.read_text("utf-8") == PAGES[name], f"docs/reference/{name} is not what the code says: {advice}"


def test_writing_again_changes_nothing(tmp_path):
    assert {path.name for path in write(tmp_path)} == set(PAGES)
    assert write(tmp_path) == []


def test_every_setting_is_there_with_its_variable():
    def check(model, place):
        for key, field in model.model_fields.items():
            if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
                assert f"## {'.'.join((*place, key))}\n" in PAGES["settings.md"]
                check(field.annotation, (*place, key))
            elif any(isinstance(one, type) and issubclass(one, BaseModel) for one in get_args(field.annotation)):
                assert f"## {'.'.join((*place, key))} (a list)\n" in PAGES["settings.md"]
                assert "JSON in `TOCSIN_" + "__".join((*place, key)).upper() + "`." in PAGES["settings.md"]
            else:
                assert f"| `{key}` |" in PAGES["settings.md"]
                assert "`TOCSIN_" + "__".join((*place, key)).upper() + "` |" in PAGES["settings.md"]

    check(Settings, ())


def test_the_variable_in_the_page_works(monkeypatch):
    monkeypatch.setenv("TOCSIN_CHANNEL_ACCESS__ADDR_LIST", '["10.0.0.255"]')
    [example] = re.findall(r"```yaml\n(.*?)```", PAGES["settings.md"], re.DOTALL)
    assert validate(yaml.safe_load(example), "page").channel_access.addr_list == ("10.0.0.255",)


def test_the_schema_refuses_what_the_model_refuses():
    schema = json.loads(PAGES["settings.schema.json"])
    assert schema["additionalProperties"] is False
    assert schema["required"] == ["configurations"]


def test_every_command_is_there_with_its_options():
    names = [name for name, _ in commands(whole(), "tocsin")]
    assert {"tocsin run", "tocsin demo", "tocsin config check", "tocsin settings check", "tocsin auth user"} <= set(names)
    command = typer.main.get_command(app)
    for name in names:
        [section] = re.findall(rf"^## {name}\n(.*?)(?=^## |\Z)", PAGES["cli.md"], re.DOTALL | re.MULTILINE)
        found = command
        for word in name.split()[1:]:
            found = found.commands[word]
        for parameter in found.params:
            for spelling in parameter.opts if parameter.param_type_name == "option" else []:
                assert spelling in section, f"{name}: {spelling}"


def test_every_kind_of_event_is_there():
    for kind in EventKind:
        assert f"| `{kind.value}` |" in PAGES["events.md"]


def test_the_example_has_every_field_that_a_record_can_have():
    event = events_page.example()
    assert decode_event(encode_event(event)) == event
    empty = {name for name in event.__dataclass_fields__ if not getattr(event, name)}
    assert empty == set(), "give it a value in tocsin/reference/events_page.py, so that the page tells of it"


def test_a_field_that_nobody_described_is_a_fault(monkeypatch):
    monkeypatch.setattr(events_page, "FIELDS", {})
    with pytest.raises(KeyError, match="'from'"):
        events_page.events_page()


def test_every_type_of_record_and_every_header_is_there():
    for kind in RecordType:
        assert f"| `{kind.value}` |" in PAGES["records.md"]
    assert PAGES["records.md"].count("| `tocsin-") == 7


def test_docstrings_after_attributes_are_found():
    assert documented(EventKind)["ALARM"] == "The alarm rose."
    assert documented(EventKind)["SHELVED"] == ""
