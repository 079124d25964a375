"""What a test does with a Grafana: put things into it, look at a dashboard, take everything out again."""

from __future__ import annotations

import asyncio
import json
import time
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

import httpx
from playwright.async_api import Browser, Page, Response, TimeoutError

from provisioning.render import PLUGINS

Json = dict[str, Any]

FOLDER = "tocsin-acceptance"
SOURCE = "tocsin-acceptance"
RENDERED_S = 60.0
READY_S = 120.0

LOOK = """() => ({
  titles: [...document.querySelectorAll('[data-testid^="data-testid Panel header "]')]
    .map(one => one.dataset.testid.slice('data-testid Panel header '.length)),
  faults: [...document.querySelectorAll('[data-testid^="data-testid Panel status error"]')]
    .map(one => one.closest('section')?.dataset.testid ?? 'a panel'),
  empty: [...document.querySelectorAll('[data-testid="data-testid Panel data error message"]')]
    .map(one => (one.closest('section')?.dataset.testid ?? 'a panel') + ': ' + one.textContent),
  loading: document.body.innerText.includes('Loading plugin panel') ||
    document.querySelector('[aria-label="Panel loading bar"], [data-testid$="Panel loading bar"]') !== null,
  text: document.body.innerText,
})"""


@dataclass
class Seen:
    """A dashboard as it was rendered."""

    titles: list[str]
    faults: list[str]
    """Panels that show an error."""
    empty: list[str]
    """Panels that say that they have no data, with what they say."""
    failed: list[str]
    """Queries that Grafana answered with an error."""
    text: str


@dataclass
class GivenGrafana:
    """Its API, and what was put into it."""

    url: str
    client: httpx.AsyncClient
    login: str
    """For the browser: the value of the header that says who we are."""
    made: list[str] = field(default_factory=list)
    """Addresses of what is to be removed, in the order that it was made."""

    @classmethod
    @asynccontextmanager
    async def at(cls, url: str) -> AsyncIterator[GivenGrafana]:
        """The Grafana at an address with user and password."""
        parts = urlsplit(url)
        user, password = unquote(parts.username or "admin"), unquote(parts.password or "admin")
        plain = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path.rstrip("/"), "", ""))
        async with httpx.AsyncClient(base_url=plain, auth=(user, password), timeout=30) as client:
            login = "Basic " + b64encode(f"{user}:{password}".encode()).decode()
            given = cls(plain, client, login)
            await given.ready()
            try:
                yield given
            finally:
                for address in reversed(given.made):
                    await client.delete(address)

    async def ready(self) -> None:
        """Wait until it serves (one that was just started fetches its plugins first); it must know us and have the plugin."""
        deadline = time.monotonic() + READY_S
        while True:
            try:
                answer = await self.client.get("/api/health")
                problem = f"/api/health: {answer.status_code} {answer.text[:200]}"
                if answer.is_success and answer.json().get("database") == "ok":
                    break
            except (httpx.TransportError, ValueError) as fault:
                problem = str(fault) or type(fault).__name__
            assert time.monotonic() < deadline, f"TOCSIN_GRAFANA_URL: {self.url} is not ready after {READY_S:.0f} s: {problem}"
            await asyncio.sleep(0.5)
        await self.call("GET", "/api/org")
        plugin, version = PLUGINS["infinity"]
        answer = await self.client.get(f"/api/plugins/{plugin}/settings")
        assert answer.is_success, (
            f"{self.url} lacks the plugin {plugin}: install it, for instance by GF_PLUGINS_PREINSTALL_SYNC={plugin}@{version}"
        )

    async def call(self, method: str, address: str, body: Json | None = None) -> Any:
        """An answer of its API; anything but success fails the test with Grafana's own words."""
        answer = await self.client.request(method, address, json=body)
        assert answer.is_success, f"{method} {address}: {answer.status_code} {answer.text}"
        return answer.json()

    async def add(self, method: str, address: str, body: Json, removed_by: str) -> Any:
        """Put something into it that will be removed again."""
        answer = await self.call(method, address, body)
        self.made.append(removed_by)
        return answer

    async def clear(self) -> None:
        """Remove what a test that was ended has left: our datasource, and our folder with its dashboards."""
        await self.client.delete(f"/api/datasources/uid/{SOURCE}")
        await self.client.delete(f"/api/folders/{FOLDER}?forceDeleteRules=true")

    async def look(self, browser: Browser, address: str, titles: set[str]) -> Seen:
        """Open a dashboard and wait until all its panels have rendered, an error among them included."""
        context = await browser.new_context(viewport={"width": 1920, "height": 6000}, extra_http_headers={"Authorization": self.login})
        page = await context.new_page()
        failed: list[str] = []
        waiting: set[asyncio.Task[None]] = set()

        async def note(response: Response) -> None:
            if "/api/ds/query" in response.url and response.status != 200:  # 207: some of its queries failed
                failed.append(f"{response.status} {(await response.text())[:500]}")

        def noting(response: Response) -> None:
            task = asyncio.ensure_future(note(response))
            waiting.add(task)
            task.add_done_callback(waiting.discard)

        page.on("response", noting)
        try:
            await page.goto(self.url + address)
            found = await self._rendered(page, titles)
            await asyncio.gather(*waiting)
        finally:
            await context.close()
        return Seen(found["titles"], found["faults"], found["empty"], failed, found["text"])

    async def _rendered(self, page: Page, titles: set[str]) -> Json:
        deadline = time.monotonic() + RENDERED_S
        last = ""
        while True:
            with suppress(TimeoutError):  # something else of Grafana may ask on and on
                await page.wait_for_load_state("networkidle", timeout=10_000)
            found: Json = await page.evaluate(LOOK)
            now = json.dumps(found)
            if titles <= set(found["titles"]) and not found["loading"] and now == last:
                return found
            last = now
            if time.monotonic() > deadline:
                return found
            await page.wait_for_timeout(500)
