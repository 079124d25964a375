"""The way to Elasticsearch: several hosts, TLS, who we are there, and what is no Elasticsearch at all."""

import ssl

import pytest
import structlog

from alarm_engine.errors import HistoryError, HistoryUnavailable
from backend.history.port import EventQuery
from tests.contract.elastic_proxy import ElasticProxy, json_answer, refusal
from tests.contract.histories import at, delete_all, elastic_url, event, opened
from tests.kafka_certificates import make_certificates

pytestmark = pytest.mark.timeout(150)


@pytest.fixture
async def proxy():
    async with ElasticProxy(elastic_url()) as proxy:
        yield proxy


async def numbers(store):
    return [event.id.n for event in (await store.events(EventQuery("Demo", at(0), at(1000), oldest_first=True))).events]


async def test_a_host_that_is_away_is_passed_over(proxy):
    away = "http://127.0.0.1:9"
    async with opened(hosts=(away, proxy.url)) as store:
        for n in range(1, 7):
            assert await store.write([event(n, n)]) == 1
            assert len(await numbers(store)) == n
        await delete_all(store._options)
    with pytest.raises(HistoryUnavailable, match=rf"Elasticsearch at {away} cannot be reached .*: is it running, is the address right\?"):
        async with opened(hosts=(away,)):
            pass


async def test_what_is_not_elasticsearch_is_named(proxy):
    async def other(call, forward):
        answer = json_answer({})
        del answer.headers["X-Elastic-Product"]
        return answer

    proxy.fault = other
    with pytest.raises(HistoryError, match="is not Elasticsearch 8 or 9"):
        async with opened(hosts=(proxy.url,)):
            pass


@pytest.fixture
async def guarded(tmp_path):
    """A proxy with TLS that lets only those in who have a certificate and the header; and what is needed to know it."""
    certificates = make_certificates(tmp_path / "certificates")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "broker.pem")
    context.load_verify_locations(certificates / "ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    async with ElasticProxy(elastic_url(), tls=context) as proxy:
        proxy.header = ""

        async def guard(call, forward):
            if call.authorization == proxy.header:
                return None
            return refusal(403 if call.authorization else 401, "security_exception", "missing authentication credentials")

        proxy.fault = guard
        yield (
            proxy,
            {
                "hosts": (proxy.url,),
                "ca_file": certificates / "ca.pem",
                "client_certificate": certificates / "client.pem",
                "client_key": certificates / "client.key",
            },
        )


@pytest.mark.parametrize(
    ("given", "file", "header"),
    [({}, "api_key_file", "ApiKey a2V5OnNlY3JldA=="), ({"user": "op"}, "password_file", "Basic b3A6YTJWNU9uTmxZM0psZEE9PQ==")],
)
async def test_who_we_are_over_tls(tmp_path, guarded, given, file, header):
    secret = tmp_path / "secret"
    secret.write_text("a2V5OnNlY3JldA==\n")
    proxy, known = guarded
    proxy.header = header
    given = given | {file: secret}
    async with opened(**known, **given) as store:
        assert await store.write([event(1, 1)]) == 1
        assert await numbers(store) == [1]
        await delete_all(store._options)
    with pytest.raises(HistoryError, match=r"does not know us \(401\): check API key, or user and password"):
        async with opened(**known):
            pass
    secret.write_text("wrong")
    with pytest.raises(HistoryError, match=r"does not let us do this \(403: security_exception: missing"):
        async with opened(**known, **given):
            pass
    with pytest.raises(HistoryUnavailable, match=r"the TLS connection fails .*: check the address and ca_file"):
        async with opened(hosts=(proxy.url,), **given):
            pass


async def test_a_changed_secret_is_used_without_a_restart(tmp_path, guarded, monkeypatch):
    monkeypatch.setattr("backend.history.elastic_connection.LOOK_EVERY_S", 0.0)
    secret = tmp_path / "key"
    secret.write_text("b2xk")
    proxy, known = guarded
    proxy.header = "ApiKey b2xk"
    async with opened(**known, api_key_file=secret) as store:
        assert await store.write([event(1, 1)]) == 1
        proxy.header = "ApiKey bmV3"
        with pytest.raises(HistoryError, match="403"):
            await store.write([event(2, 2)])
        with structlog.testing.capture_logs() as logs:
            secret.write_text("")
            with pytest.raises(HistoryError, match="403"):
                await store.write([event(2, 2)])
            secret.write_text("bmV3")
            assert await store.write([event(2, 2)]) == 1
        assert await numbers(store) == [1, 2]
        assert [line["event"] for line in logs] == [
            "changed secrets or certificates are not used",
            "secrets or certificates were read again",
        ]
        await delete_all(store._options)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("api_key_file", None, "file cannot be read: .*No such file"),
        ("api_key_file", "a\nb", "file holds no secret: expected one line of text"),
        ("ca_file", "no certificate", "certificates or key in .*file cannot be used .*: expected PEM"),
        ("ca_file", None, "certificates or key in .*file cannot be used .*: expected PEM"),
    ],
)
async def test_files_that_cannot_be_used(tmp_path, name, content, said):
    if content is not None:
        (tmp_path / "file").write_text(content)
    with pytest.raises(HistoryError, match=said):
        async with opened(hosts=("https://127.0.0.1:9",), **{name: tmp_path / "file"}):
            pass
