"""Every generated dashboard in a real Grafana: nothing missing, no error, no panel without the data that was put there."""

from __future__ import annotations

import json

import pytest

from alarm_engine.config.tree import arrange
from alarm_engine.model.times import NANOS_PER_SECOND, to_ms
from backend.security import Security, SecuritySettings
from backend.server import BackendServer
from dashboards.build import BuildOptions, build
from dashboards.kit.simple_panels import Form, Rows, SimplePanel
from dashboards.kit.site import Look
from provisioning.alerts import AlertOptions
from provisioning.render import ProvisioningOptions, render
from tests.acceptance.grafana.grafana import FOLDER, SOURCE
from tests.grafana_site import ALARMS, V1, running_site
from tests.unit.test_provisioning import as_grafana_reads

pytestmark = pytest.mark.timeout(1800)

MAY_BE_EMPTY = {"Floods", "Chattering alarms", "Fleeting alarms", "Stale alarms", "Bad actors"}
"""Lists of what is not wanted."""

ADDED = (
    SimplePanel("Who to call", "wall", Form.TEXT, text="Vacuum **4711**", height=3),
    SimplePanel("Shelved now", "overview", Form.TABLE, asks=Rows("shelved"), columns={"pv": "string", "until": "time"}),
    SimplePanel("Rates", "overview", Form.LINES, asks=Rows("counts", ranged=True), columns={"time": "time", "MAJOR": "number"}),
    SimplePanel("MAJOR now", "overview", Form.NUMBER, asks=Rows("totals"), columns={"MAJOR": "number"}),
)
"""Panels of each form that settings can describe."""


@pytest.fixture
async def site(backend_host):
    """A control room after two hours of alarms, served where Grafana reaches it."""
    loopback = backend_host in ("127.0.0.1", "localhost")
    async with running_site(security=Security(SecuritySettings(loopback=loopback))) as site:
        server = BackendServer(site.app, "127.0.0.1" if loopback else "0.0.0.0", 0)
        await server.start()
        try:
            yield site, f"http://{backend_host}:{server.address[1]}"
        finally:
            await server.stop()


@pytest.fixture
async def provisioned(grafana, site):
    """Datasource, folder and all dashboards, put in by the API: as a site's own, beside whatever is there."""
    _, url = site
    (source, _) = as_grafana_reads(render(ProvisioningOptions(url))["datasources/tocsin.yaml"])["datasources"]
    source |= {"uid": SOURCE, "name": SOURCE, "isDefault": False}
    await grafana.clear()
    await grafana.add("POST", "/api/datasources", source, f"/api/datasources/uid/{SOURCE}")
    await grafana.add("POST", "/api/folders", {"uid": FOLDER, "title": FOLDER}, f"/api/folders/{FOLDER}?forceDeleteRules=true")
    options = BuildOptions(Look(refresh="", page_url=url), datasource_uid=SOURCE, depth=2, panels=ADDED)
    dashboards = [json.loads(content) for content in build([arrange("Demo", "UTC", {}, ALARMS)], options).values()]
    for dashboard in dashboards:
        await grafana.add(
            "POST",
            "/api/dashboards/db",
            {"dashboard": {**dashboard, "refresh": ""}, "folderUid": FOLDER, "overwrite": False},
            f"/api/dashboards/uid/{dashboard['uid']}",
        )
    return dashboards


async def test_the_datasource_reaches_the_backend(grafana, provisioned):
    health = await grafana.call("GET", f"/api/datasources/uid/{SOURCE}/health")
    assert health["status"] == "OK", health


async def test_grafana_keeps_every_dashboard_as_it_was_generated(grafana, provisioned):
    for dashboard in provisioned:
        kept = (await grafana.call("GET", f"/api/dashboards/uid/{dashboard['uid']}"))["dashboard"]
        assert (kept["title"], sorted(kept["tags"])) == (dashboard["title"], sorted(dashboard["tags"]))
        for key in ("id", "type", "title", "gridPos", "targets"):
            assert [one[key] for one in kept["panels"]] == [one[key] for one in dashboard["panels"]], f"{dashboard['title']}: {key}"
        for part in ("templating", "annotations"):
            assert [one["name"] for one in kept[part]["list"]] == [one["name"] for one in dashboard[part]["list"]]


async def test_every_panel_renders_what_was_put_there(grafana, browser, provisioned, site):
    (room, _) = site
    now = room.sources.now
    span = f"from={to_ms(now - 6 * 3600 * NANOS_PER_SECOND)}&to={to_ms(now)}"
    faults: list[str] = []
    for dashboard in provisioned:
        titles = {panel["title"] for panel in dashboard["panels"] if "$" not in panel["title"]}
        seen = await grafana.look(browser, f"/d/{dashboard['uid']}?{span}&var-path={V1}", titles)
        name = dashboard["title"]
        faults += [f"{name}: {title} is missing" for title in sorted(titles - set(seen.titles))]
        faults += [f"{name}: {fault} shows an error" for fault in seen.faults]
        faults += [f"{name}: a query failed: {problem}" for problem in seen.failed]
        faults += [f"{name}: {empty}" for empty in seen.empty if not any(f"header {title}:" in empty for title in MAY_BE_EMPTY)]
        faults += [f"{name}: says {word}" for word in ("NO ANSWER", "NO DATA", "Loading plugin panel") if word in seen.text]
    assert not faults, "\n".join(faults)


async def test_alert_rules_get_names_and_one_number(grafana, provisioned):
    """Grafana's own reading of every rule's query: frames that its threshold expression takes."""
    rules = as_grafana_reads(render(ProvisioningOptions("http://x", alerts=AlertOptions(mail=("a@example.org",))))["alerting/tocsin.yaml"])
    for rule in rules["groups"][0]["rules"]:
        model = {**rule["data"][0]["model"], "datasource": {"type": "yesoreyeram-infinity-datasource", "uid": SOURCE}}
        answer = await grafana.call("POST", "/api/ds/query", {"queries": [model], "from": "now-10m", "to": "now"})
        (result,) = answer["results"].values()
        assert not result.get("error"), f"{rule['title']}: {result['error']}"
        types = [one["type"] for frame in result["frames"] for one in frame["schema"]["fields"]]
        assert types.count("number") == 1, f"{rule['title']}: {types}"
        assert set(types) <= {"number", "string"}
