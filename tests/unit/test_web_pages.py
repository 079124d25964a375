"""The page's document and files, as the server sends them."""

from __future__ import annotations

import html
import json
import re
from importlib.resources import files

import httpx
import pytest
from fastapi import FastAPI

from alarm_engine.model.palette import PALETTE, Shade
from alarm_engine.model.severity import NAMES
from backend.web.assets import load_assets, palette_css
from backend.web.pages import pages_router


@pytest.fixture
async def client():
    app = FastAPI()
    app.include_router(pages_router())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://page") as client:
        yield client


async def test_the_document_holds_no_script_and_no_style_of_its_own(client):
    answer = await client.get("/")
    assert answer.status_code == 200
    assert re.findall(r"<script(?![^>]*src=)", answer.text) == []
    assert re.findall(r"<style|\sstyle=|\son[a-z]+=", answer.text) == []


async def test_nothing_is_loaded_from_elsewhere(client):
    page = await client.get("/")
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert "unsafe" not in page.headers["content-security-policy"]
    for name, asset in load_assets().items():
        addresses = set(re.findall(r"[\"'(`]((?:https?:)?//[\w.-]+\.\w+[^\s\"']*)", asset.body.decode()))
        assert addresses <= {"http://www.w3.org/2000/svg"}, name


async def test_every_file_that_the_document_names_is_there(client):
    names = re.findall(r'(?:src|href)="static/([^"?]+)', (await client.get("/")).text)
    scripts = re.findall(r'from "\./([^"]+)"', "".join(a.body.decode() for n, a in load_assets().items() if n.endswith(".js")))
    assert len(names) >= 5
    for name in {*names, *scripts}:
        assert (await client.get(f"/static/{name}")).status_code == 200, name


async def test_only_known_files_are_sent(client):
    assert (await client.get("/static/pages.py")).status_code == 404
    assert (await client.get("/static/..%2Fpages.py")).status_code == 404
    assert (await client.get("/static/%2e%2e/pages.py")).status_code == 404


async def test_a_file_that_did_not_change_is_not_sent_again(client):
    first = await client.get("/static/tocsin.js")
    assert first.headers["content-type"].startswith("text/javascript")
    again = await client.get("/static/tocsin.js", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_the_words_of_the_palette_go_with_the_document(client):
    found = re.search(r'data-words="([^"]*)"', (await client.get("/")).text)
    assert found
    assert json.loads(html.unescape(found[1])) == {state: shade.word for state, shade in PALETTE.items()}


def test_colours_are_those_of_the_palette_in_both_themes():
    css = palette_css({"MAJOR_ACK": Shade("#000001", "#FFFFFE", "major")})
    dark, light = css.index("--major-ack:#000001;--major-ack-text:#FFFFFF"), css.index("--major-ack:#FFFFFE;--major-ack-text:#1B1B1B")
    assert dark < css.index("prefers-color-scheme:light") < light
    assert ".s-MAJOR_ACK{background:var(--major-ack);color:var(--major-ack-text)}" in css


def test_no_colour_of_a_severity_stands_in_the_page_itself():
    static = files("backend.web").joinpath("static")
    own = static.joinpath("tocsin.css").read_text("utf-8").upper()
    fills = {fill for shade in PALETTE.values() for fill in (shade.fill_dark.upper(), shade.fill_light.upper())}
    assert [fill for fill in fills if fill in own] == []


def test_scripts_and_engine_count_severities_alike():
    script = files("backend.web").joinpath("static/store.js").read_text("utf-8")
    found = re.search(r"SEVERITIES = \[([^\]]*)\]", script)
    assert found
    assert tuple(json.loads(f"[{found[1]}]")) == NAMES


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/Ring/Vacuum/SR06:VAC:IP01", "./?config=Ring&at=%2FRing%2FVacuum%2FSR06%3AVAC%3AIP01"),
        ("/Ring/A\\/B/x&at=y", "./?config=Ring&at=%2FRing%2FA%5C%2FB%2Fx%26at%3Dy"),
        ("//elsewhere.example/x", "./?config=elsewhere.example&at=%2F%2Felsewhere.example%2Fx"),
        ("", "./?"),
    ],
)
async def test_a_link_from_a_dashboard_leads_to_the_alarm(client, path, target):
    answer = await client.get("/a", params={"path": path})
    assert (answer.status_code, answer.headers["location"]) == (307, target)
