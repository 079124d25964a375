"""Provisioning for Grafana: YAML that parses, dollar signs that stay, secrets that are not there."""

from __future__ import annotations

import re

import pytest
import yaml
from typer.testing import CliRunner

from dashboards.build import build, write
from dashboards.kit.targets import DEFAULT_UIDS, PLUGINS, Kind
from provisioning.alerts import AlertOptions
from provisioning.render import PrometheusOptions, ProvisioningError, ProvisioningOptions, render
from tests.grafana_site import running_site
from tests.unit.test_dashboards import tree
from tocsin.cli.provisioning import app
from tocsin.grafana_files import build_options, prometheus_options
from tocsin.settings_sections import DashboardsSection

URL = "http://tocsin-backend:8080"


def as_grafana_reads(content: bytes, environment: dict[str, str] | None = None):
    """Grafana parses the YAML, then expands `$NAME` and `${NAME}` in each text; `$$` is a dollar sign."""

    def expand(value):
        if isinstance(value, dict):
            return {key: expand(part) for key, part in value.items()}
        if isinstance(value, list):
            return [expand(part) for part in value]
        if isinstance(value, str):
            return re.sub(r"\$\$|\$\{(\w+)\}|\$(\w+)", lambda m: "$" if m[0] == "$$" else (environment or {}).get(m[1] or m[2], ""), value)
        return value

    return expand(yaml.safe_load(content))


def test_both_datasources_have_the_identities_that_dashboards_use():
    found = as_grafana_reads(render(ProvisioningOptions(URL + "/"))["datasources/tocsin.yaml"])["datasources"]
    for kind in Kind:
        (one,) = [source for source in found if source["type"] == PLUGINS[kind]]
        assert one["uid"] == DEFAULT_UIDS[kind]
        assert one["url"] == f"{URL}/grafana", "nothing below it may change anything"
        assert one["isDefault"] is (kind is Kind.INFINITY)
        assert one["access"] == "proxy"
        assert "secureJsonData" not in one
    assert found[0]["jsonData"]["allowedHosts"] == [f"{URL}/grafana"], "a query may name an address of its own, and may POST"


def test_the_default_datasource_is_a_choice():
    found = as_grafana_reads(render(ProvisioningOptions(URL, datasource="json"))["datasources/tocsin.yaml"])["datasources"]
    assert [one["isDefault"] for one in found] == [False, True]


def test_a_prometheus_gets_the_identity_that_dashboards_ask_for(tmp_path):
    def sources(**given):
        section = DashboardsSection(out=tmp_path, **given)
        options = ProvisioningOptions(URL, prometheus=prometheus_options(section))
        found = as_grafana_reads(render(options)["datasources/tocsin.yaml"])["datasources"]
        return [one for one in found if one["type"] == "prometheus"], build_options(section, URL).look.prometheus

    assert sources() == ([], "")
    assert sources(prometheus_uid="ours") == ([], "ours"), "it is in Grafana already"
    for given, uid in (({}, "tocsin-prometheus"), ({"prometheus_uid": "ours"}, "ours")):
        (one,), asked = sources(prometheus_url="http://prometheus:9090/a$b", **given)
        assert (one["uid"], one["url"], one["isDefault"]) == (uid, "http://prometheus:9090/a$b", False)
        assert asked == uid
    with pytest.raises(ProvisioningError, match="prometheus url 'prometheus:9090': expected http://host:port"):
        render(ProvisioningOptions(URL, prometheus=PrometheusOptions("prometheus:9090")))


def test_a_token_comes_from_the_environment_of_grafana():
    content = render(ProvisioningOptions(URL, token_variable="TOCSIN_TOKEN"))["datasources/tocsin.yaml"]
    infinity, json_one = as_grafana_reads(content, {"TOCSIN_TOKEN": "s3cret"})["datasources"]
    assert infinity["jsonData"]["auth_method"] == "bearerToken"
    assert infinity["secureJsonData"] == {"bearerToken": "s3cret"}
    assert json_one["jsonData"]["httpHeaderName1"] == "Authorization"
    assert json_one["secureJsonData"] == {"httpHeaderValue1": "Bearer s3cret"}


def test_dollar_signs_are_left_as_they_are():
    options = ProvisioningOptions("http://b/a$b${HOME}", configs=("Odd$HOME",), dashboards_path="/var/$$x")
    files = render(options)
    environment = {"HOME": "/root", "b": "no"}
    assert as_grafana_reads(files["datasources/tocsin.yaml"], environment)["datasources"][0]["url"] == "http://b/a$b${HOME}/grafana"
    (provider,) = as_grafana_reads(files["dashboards/tocsin.yaml"], environment)["providers"]
    assert provider["folder"] == "Odd$HOME"
    assert provider["options"]["path"] == "/var/$$x/Odd$HOME"


def test_each_configuration_has_a_folder_and_dashboards_are_polled():
    providers = as_grafana_reads(
        render(
            ProvisioningOptions(
                URL,
                configs=("Ring", 'Quoted "one": #'),
            )
        )["dashboards/tocsin.yaml"]
    )["providers"]
    assert [one["folder"] for one in providers] == ["Ring", 'Quoted "one": #']
    assert len({one["folderUid"] for one in providers} | {one["name"] for one in providers}) == 4
    assert {one["updateIntervalSeconds"] for one in providers} == {30}, "10 or less would watch files, which many volumes do not support"
    assert providers[0]["options"] == {"path": "/var/lib/grafana/dashboards/tocsin/Ring", "foldersFromFilesStructure": False}


def test_without_configurations_folders_follow_the_directories():
    (provider,) = as_grafana_reads(render(ProvisioningOptions(URL))["dashboards/tocsin.yaml"])["providers"]
    assert provider["options"]["foldersFromFilesStructure"] is True
    assert "folder" not in provider


@pytest.mark.parametrize("url", ["tocsin:8080", "ftp://x", "http://", "http://u:p@x", "http://x?y=1", "http://x:port", "http://[x"])
def test_an_address_that_is_none_is_refused(url):
    with pytest.raises(ProvisioningError, match="backend url"):
        render(ProvisioningOptions(url))


def test_faults_are_told_together_and_the_token_is_not_repeated():
    options = ProvisioningOptions("x", "prometheus", ("A", "A"), "relative", "s3cret token")
    with pytest.raises(ProvisioningError) as problem:
        render(options)
    text = str(problem.value)
    for part in ("backend url", "datasource 'prometheus'", "token variable", "dashboards path", "'A' is given twice"):
        assert part in text
    assert "s3cret" not in text


def test_the_command_line_leaves_dashboards_beside_it_alone(tmp_path):
    write(build([tree("/Ring/Vacuum/P")]), tmp_path / "dashboards")
    result = CliRunner().invoke(app, ["render", "--out", str(tmp_path), "--backend-url", URL, "--config", "Ring"])
    assert result.exit_code == 0, result.output
    assert yaml.safe_load((tmp_path / "dashboards" / "tocsin.yaml").read_bytes())["providers"][0]["folder"] == "Ring"
    assert (tmp_path / "datasources" / "tocsin.yaml").exists()
    assert (tmp_path / "dashboards" / "Ring" / "tocsin-Ring.json").exists()


# ---------------------------------------------------------------------- alert rules

TOLD = AlertOptions(webhook="https://pager.example.org/$hook", mail=("a@example.org", "b@example.org"), unacknowledged_min=20)


def alerting(options=TOLD):
    return as_grafana_reads(render(ProvisioningOptions(URL, alerts=options))["alerting/tocsin.yaml"])


def test_silence_is_an_alert_and_policies_are_not_touched():
    found = alerting()
    assert set(found) == {"apiVersion", "contactPoints", "groups"}, "`policies` would replace those of the whole organisation"
    ((group,), (contact,)) = found["groups"], found["contactPoints"]
    assert len({rule["uid"] for rule in group["rules"]}) == 4
    for rule in group["rules"]:
        assert (rule["noDataState"], rule["execErrState"]) == ("Alerting", "Alerting")
        assert rule["notification_settings"] == {"receiver": contact["name"]}
        assert re.fullmatch(r"[A-Za-z0-9_-]{1,40}", rule["uid"])
        assert rule["condition"] in [one["refId"] for one in rule["data"]]
    assert [one["type"] for one in contact["receivers"]] == ["webhook", "email"]
    assert contact["receivers"][0]["settings"]["url"] == "https://pager.example.org/$hook"
    assert contact["receivers"][1]["settings"]["addresses"] == "a@example.org;b@example.org"


def test_texts_of_rules_are_kept_for_grafana_to_fill():
    raw = yaml.safe_load(render(ProvisioningOptions(URL, alerts=TOLD))["alerting/tocsin.yaml"])
    summaries = [rule["annotations"]["summary"] for rule in raw["groups"][0]["rules"]]
    assert "{{ $labels.config }}: no life sign from the alarm engine" in summaries


def test_without_anybody_to_tell_there_are_no_rules_and_older_ones_go():
    found = alerting(AlertOptions())
    assert set(found) == {"apiVersion", "deleteRules"}
    assert {one["uid"] for one in found["deleteRules"]} == {rule["uid"] for rule in alerting()["groups"][0]["rules"]}
    assert {one["orgId"] for one in found["deleteRules"]} == {1}


def test_nobody_is_told_twice_where_prometheus_tells_of_engine_and_history():
    found = alerting(AlertOptions(mail=("a@example.org",), service=False))
    left, gone = [rule["uid"] for rule in found["groups"][0]["rules"]], [one["uid"] for one in found["deleteRules"]]
    assert left == ["tocsin-unacknowledged", "tocsin-flood"]
    assert gone == ["tocsin-engine-silent", "tocsin-history-late"], "an older file may have made them"


def test_a_contact_point_of_the_site_can_be_told_and_is_left_as_it_is():
    found = alerting(AlertOptions(receiver="grafana-default-email"))
    assert set(found) == {"apiVersion", "groups"}
    assert {rule["notification_settings"]["receiver"] for rule in found["groups"][0]["rules"]} == {"grafana-default-email"}
    with pytest.raises(ProvisioningError, match="give one of them"):
        alerting(AlertOptions(receiver="x", mail=("a@example.org",)))
    with pytest.raises(ProvisioningError, match="that one is made from webhook and mail"):
        alerting(AlertOptions(receiver="tocsin"))


@pytest.mark.parametrize(
    ("options", "gone"),
    [(AlertOptions(webhook="https://x.example.org"), "tocsin-mail"), (AlertOptions(mail=("a@example.org",)), "tocsin-webhook")],
)
def test_who_is_not_told_any_more_is_told_nothing(options, gone):
    assert alerting(options)["deleteContactPoints"] == [{"orgId": 1, "uid": gone}]


def test_plugins_are_listed_by_version():
    assert "yesoreyeram-infinity-datasource 3.11.1" in render(ProvisioningOptions(URL))["plugins.txt"].decode().splitlines()


def test_addresses_to_tell_are_checked():
    with pytest.raises(ProvisioningError, match=r"alert webhook 'pager': .*alert mail 'a;b@c'"):
        alerting(AlertOptions(webhook="pager", mail=("a;b@c",)))


async def test_rules_ask_what_the_backend_answers_as_grafana_must_have_it():
    """Names and exactly one number in each row, and a row for everything that is watched."""
    async with running_site() as site:
        fired = {}
        for rule in alerting(AlertOptions(webhook="https://x.example.org", unacknowledged_min=20))["groups"][0]["rules"]:
            model = rule["data"][0]["model"]
            params = {one["key"]: one["value"] for one in model["url_options"]["params"]}
            answer = await site.client.get("/grafana" + model["url"], params=params)
            assert answer.status_code == 200, answer.text
            rows = answer.json()
            types = {column["selector"]: column["type"] for column in model["columns"]}
            (number,) = [name for name, kind in types.items() if kind == "number"]
            assert rows
            assert all(set(types) <= set(row) and isinstance(row[number], int | float) for row in rows)
            names = [tuple(row[name] for name in types if name != number) for row in rows]
            assert len(set(names)) == len(names), "Grafana refuses two rows of the same names"
            limit = rule["data"][1]["model"]["conditions"][0]["evaluator"]["params"][0]
            fired[rule["uid"]] = [row for row in rows if row[number] > limit]
        assert [row["system"] for row in fired.pop("tocsin-unacknowledged")] == ["Vacuum"]
        assert not any(fired.values())


def test_the_settings_say_who_is_told(tmp_path):
    (tmp_path / "tocsin.yaml").write_text("configurations: [{tree: x.yaml}]\ndashboards: {alerts: {mail: [a@example.org]}}\n")
    result = CliRunner().invoke(
        app, ["render", "--out", str(tmp_path / "p"), "--backend-url", URL, "--settings", str(tmp_path / "tocsin.yaml")]
    )
    assert result.exit_code == 0, result.output
    assert b"a@example.org" in (tmp_path / "p" / "alerting" / "tocsin.yaml").read_bytes()
