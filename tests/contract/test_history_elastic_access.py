"""The way to Elasticsearch: several hosts, TLS, who we are there, and what is no Elasticsearch at all."""

import ssl

import pytest

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


@pytest.mark.parametrize(
    ("given", "header"),
    [({"api_key": "a2V5OnNlY3JldA=="}, "ApiKey a2V5OnNlY3JldA=="), ({"user": "op", "password": "s3cret"}, "Basic b3A6czNjcmV0")],
)
async def test_who_we_are_over_tls(tmp_path, given, header):
    certificates = make_certificates(tmp_path / "certificates")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "broker.pem")
    context.load_verify_locations(certificates / "ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED

    async def guard(call, forward):
        if call.authorization == header:
            return None
        return (
            refusal(401, "security_exception", "missing authentication credentials") if not call.authorization else refusal(403, "s", "r")
        )

    async with ElasticProxy(elastic_url(), tls=context) as proxy:
        proxy.fault = guard
        known = {
            "hosts": (proxy.url,),
            "ca_file": certificates / "ca.pem",
            "client_certificate": certificates / "client.pem",
            "client_key": certificates / "client.key",
        }
        async with opened(**known, **given) as store:
            assert await store.write([event(1, 1)]) == 1
            assert await numbers(store) == [1]
            await delete_all(store._options)
            assert "s3cret" not in repr(store._options)
            assert "a2V5" not in repr(store._options)
        with pytest.raises(HistoryError, match=r"does not know us \(401\): check API key, or user and password"):
            async with opened(**known):
                pass
        with pytest.raises(HistoryError, match=r"does not let us do this \(403: s: r\)"):
            async with opened(**known, user="op", password="wrong"):
                pass
        with pytest.raises(HistoryUnavailable, match=r"the TLS connection fails .*: check the address and ca_file"):
            async with opened(hosts=(proxy.url,), **given):
                pass
