"""How the Python clients reach a server: who asks, time-outs, certificates, and what is asked again."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import httpx
import pytest

from alarm_engine.model.severity import Severity as Level
from backend.credentials import Credentials, UsersFile
from backend.security import AuthMode, Security, SecuritySettings
from tests.contract.clients import KINDS, opened, served
from tests.kafka_certificates import make_certificates
from tests.kafka_jars import Missing
from tocsin.client import (
    AsyncClient,
    BadClientSettings,
    BadRequest,
    Client,
    NotAllowed,
    NotFound,
    NotSent,
    Outcome,
    ServerError,
    TimedOut,
    Unavailable,
    UnexpectedAnswer,
    Unreachable,
)
from tocsin.client.settings import ClientSettings, settle

GC1 = "/Acc/Vacuum/GC1"
NOWHERE: dict[str, str] = {}
Handler = Callable[[httpx.Request], httpx.Response]


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch):
    for name in ("TOCSIN_URL", "TOCSIN_TOKEN", "TOCSIN_TOKEN_FILE", "TOCSIN_CA_FILE"):
        monkeypatch.delenv(name, raising=False)


def guarded() -> Security:
    tokens = [
        {"name": name, "role": role, "sha256": hashlib.sha256(token.encode()).hexdigest()}
        for name, role, token in (("wall", "viewer", "first"), ("robot", "operator", "second"))
    ]
    credentials = Credentials(UsersFile.model_validate({"tokens": tokens}))
    return Security(SecuritySettings(mode=AuthMode.USERS, open_reading=False), credentials)


# ---------------------------------------------------------------- settings


def test_an_argument_counts_before_a_variable():
    variables = {"TOCSIN_URL": "https://alarms.lab.example/tocsin/", "TOCSIN_TOKEN": " abc\n", "TOCSIN_CA_FILE": "/etc/ca.pem"}
    found = settle(environment=variables)
    assert (found.url, found.token, str(found.ca_file)) == ("https://alarms.lab.example/tocsin", "abc", "/etc/ca.pem")
    found = settle("http://localhost:8081", token="other", user="mara", environment=variables)
    assert (found.url, found.token, found.user) == ("http://localhost:8081", "other", "mara")
    assert settle(token_file="t", environment=variables).token == ""
    assert settle(environment=NOWHERE).url == "http://127.0.0.1:8080"
    assert settle(environment=NOWHERE).user


@pytest.mark.parametrize("url", ["localhost:8080", "ftp://x", "http://", "http://x:99999", "http://x/?a=b", "nonsense", "http://[::1"])
def test_an_address_that_is_none_is_told_with_where_it_stands(url):
    with pytest.raises(BadClientSettings, match=r"^url: .*expected one as"):
        settle(url, environment=NOWHERE)
    with pytest.raises(BadClientSettings, match=r"^TOCSIN_URL: "):
        settle(environment={"TOCSIN_URL": url})


def test_other_settings_that_cannot_be_used():
    with pytest.raises(BadClientSettings, match="leave one out"):
        settle(token="a", token_file="b", environment=NOWHERE)
    with pytest.raises(BadClientSettings, match="holds no token"):
        settle(token="two words", environment=NOWHERE)
    with pytest.raises(BadClientSettings, match="timeout_s"):
        settle(timeout_s=0, environment=NOWHERE)
    with pytest.raises(BadClientSettings, match="retries"):
        settle(retries=-1, environment=NOWHERE)


def test_a_password_is_in_no_message():
    with pytest.raises(BadClientSettings) as caught:
        settle("http://mara:secret@x:99999", environment=NOWHERE)
    assert "secret" not in str(caught.value)
    with Client("http://mara:secret@127.0.0.1:9") as client:
        assert client.url == "http://127.0.0.1:9"
        with pytest.raises(Unreachable) as failed:
            client.summary()
        assert "secret" not in str(failed.value)


# ---------------------------------------------------------------- who asks


async def test_a_token_as_argument_and_from_the_environment(kind, monkeypatch):
    async with served(security=guarded()) as (site, url):
        await site.raised(GC1)
        async with opened(kind, url) as stranger:
            with pytest.raises(NotAllowed, match="say who you are") as caught:
                await stranger.alarms()
            assert caught.value.status == 401
        async with opened(kind, url, token="first") as wall:
            assert (await wall.alarms()).total == 1
            with pytest.raises(NotAllowed, match="wall has the role viewer") as caught:
                await wall.acknowledge(GC1)
            assert caught.value.status == 403
        monkeypatch.setenv("TOCSIN_TOKEN", "second")
        monkeypatch.setenv("TOCSIN_URL", url)
        async with opened(kind, user="somebody else") as robot:
            assert (await robot.acknowledge(GC1)).user == "robot"


async def test_a_token_file_that_changes_is_read_again(kind, tmp_path, monkeypatch):
    file = tmp_path / "token"
    file.write_text("wrong\n")
    monkeypatch.setenv("TOCSIN_TOKEN_FILE", str(file))
    async with served(security=guarded()) as (_, url), opened(kind, url) as client:
        with pytest.raises(NotAllowed, match="token is wrong"):
            await client.summary()
        file.write_text("first\n")
        assert (await client.summary()).systems
        renewed = tmp_path / "renewed"
        renewed.write_text("wrong\n")
        renewed.rename(file)
        with pytest.raises(NotAllowed):
            await client.summary()
        file.unlink()
        with pytest.raises(BadClientSettings, match="token cannot be read: No such file"):
            await client.summary()
        file.write_text("")
        with pytest.raises(BadClientSettings, match="holds no token"):
            await client.summary()


async def test_a_subscription_ends_when_its_token_does(tmp_path):
    file = tmp_path / "token"
    file.write_text("first")
    async with served(security=guarded()) as (_, url), AsyncClient(url, token_file=file) as client:
        async with asyncio.timeout(60), client.subscribe() as updates:
            await anext(updates)
        file.write_text("wrong")
        with pytest.raises(NotAllowed):
            await anext(client.subscribe())


# ---------------------------------------------------------------- the line


async def test_nobody_listens(kind):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        async with opened(kind, url, retries=0) as client:
            with pytest.raises(NotSent, match=rf"{url} cannot be reached: .*Is the backend running"):
                await client.alarms()
            with pytest.raises(NotSent):
                await client.acknowledge(GC1)
        async with opened(kind, "http://no.such.name.invalid", retries=0) as client:
            with pytest.raises(NotSent, match=r"no\.such\.name\.invalid cannot be reached"):
                await client.alarms()


@contextmanager
def answering(answer: bytes | None) -> Iterator[str]:
    """Somebody who takes every question and answers with these bytes; None: never."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken: list[socket.socket] = []
        stopping = threading.Event()

        def serve() -> None:
            while not stopping.is_set():
                with contextlib.suppress(OSError):
                    connection, _ = server.accept()
                    taken.append(connection)
                    if answer is not None:
                        connection.recv(65536)
                        connection.sendall(answer)
                        connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        port = server.getsockname()[1]
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            stopping.set()
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port)).close()
            thread.join()
            for connection in taken:
                connection.close()


async def test_a_server_that_never_answers(kind):
    with answering(None) as url:
        async with opened(kind, url, timeout_s=0.2) as client:
            with pytest.raises(TimedOut, match=r"has not answered within 0\.2 s"):
                await client.summary()
            result = await client.acknowledge(GC1)
            assert result.outcome is Outcome.NOT_CONFIRMED
            assert "it may have been carried out" in result.reason


@pytest.mark.parametrize("body", [b"<html>welcome</html>", b"[]", b"\xff", b'{"systems": 5}'])
async def test_another_program_at_that_address(kind, body):
    with answering(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)) as url:
        async with opened(kind, url) as client:
            with pytest.raises(UnexpectedAnswer, match="another program"):
                await client.summary()


async def test_a_login_page_in_between_is_told(kind):
    with answering(b"HTTP/1.1 302 Found\r\nLocation: https://sso.example/\r\nContent-Length: 0\r\n\r\n") as url:
        async with opened(kind, url) as client:
            with pytest.raises(UnexpectedAnswer, match="sends elsewhere, to https://sso"):
                await client.summary()


async def test_a_server_that_breaks_off(kind):
    with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{") as url:
        async with opened(kind, url) as client:
            with pytest.raises(Unreachable, match="broke"):
                await client.summary()


# ---------------------------------------------------------------- asked again


class Sequence:
    """Answers one question after the other as told, and counts them."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[bytes] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.content)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def good() -> httpx.Response:
    return httpx.Response(200, json={"systems": [], "as_of": None, "age_s": None, "stale": True})


def ask(sequence: Sequence, retries: int = 2) -> Client:
    return Client("http://127.0.0.1", transport=httpx.MockTransport(sequence), retries=retries)


@pytest.mark.parametrize(
    "trouble",
    [
        httpx.ConnectError("refused"),
        httpx.ReadError("reset"),
        httpx.RemoteProtocolError("Server disconnected"),
        httpx.Response(502, text="Bad Gateway"),
        httpx.Response(504),
        httpx.Response(503, headers={"Retry-After": "0"}),
    ],
)
def test_a_question_that_brought_no_answer_is_asked_again(trouble):
    sequence = Sequence(trouble, trouble, good())
    with ask(sequence) as client:
        assert client.summary().stale
    sequence = Sequence(trouble, trouble, trouble, good())
    with ask(sequence) as client, pytest.raises((Unreachable, Unavailable)):
        client.summary()
    assert len(sequence.asked) == 3


@pytest.mark.parametrize(
    ("trouble", "problem"),
    [
        (httpx.Response(422, json={"message": "no"}), BadRequest),
        (httpx.Response(404, json={"message": "no"}), NotFound),
        (httpx.Response(500, json={"message": "no"}), ServerError),
        (httpx.Response(503, json={"message": "no"}), Unavailable),
        (httpx.ReadTimeout("slow"), TimedOut),
        (httpx.Response(404, text="<html>nginx</html>"), UnexpectedAnswer),
        (httpx.Response(403, text="go away"), NotAllowed),
    ],
)
def test_a_question_that_was_answered_or_takes_long_is_not_asked_again(trouble, problem):
    sequence = Sequence(trouble, good())
    with ask(sequence) as client, pytest.raises(problem):
        client.summary()
    assert len(sequence.asked) == 1


def test_a_command_is_sent_again_under_the_same_id():
    lost = httpx.ReadError("reset")
    done = httpx.Response(200, json={"outcome": "done", "id": "x", "command": "enable", "path": GC1, "user": "u", "reason": "", "count": 1})
    sequence = Sequence(lost, done)
    with ask(sequence) as client:
        assert client.enable(GC1).done
    assert len(set(sequence.asked)) == 1
    sequence = Sequence(lost, httpx.ConnectError("refused"), httpx.ConnectError("refused"))
    with ask(sequence) as client:
        result = client.enable(GC1)
    assert result.outcome is Outcome.NOT_CONFIRMED, "the first one may have been carried out"
    sequence = Sequence(*[httpx.ConnectError("refused")] * 3)
    with ask(sequence) as client, pytest.raises(NotSent):
        client.enable(GC1)
    with ask(Sequence(lost, httpx.Response(403, json={"message": "no"}))) as client, pytest.raises(NotAllowed):
        client.enable(GC1)


def test_what_the_journal_did_not_take_is_not_confirmed():
    told = httpx.Response(503, json={"outcome": "not_confirmed", "message": "the command could not be written to the journal: full"})
    with ask(Sequence(told)) as client:
        result = client.enable(GC1)
    assert (result.outcome, result.reason) == (Outcome.NOT_CONFIRMED, "the command could not be written to the journal: full")
    with ask(Sequence(httpx.Response(503, text="no server"))) as client, pytest.raises(Unavailable, match="no server"):
        client.enable(GC1)


class LosesAnswers(httpx.AsyncBaseTransport):
    """Hands each question on, and loses the first answers."""

    def __init__(self, inner: httpx.AsyncBaseTransport, number: int) -> None:
        self._inner, self.left = inner, number

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await self._inner.handle_async_request(request)
        if self.left > 0:
            self.left -= 1
            await answer.aread()
            raise httpx.ReadError("the line was cut")
        return answer

    async def aclose(self) -> None:
        await self._inner.aclose()


async def test_a_command_whose_answer_was_lost_is_carried_out_once():
    async with served() as (site, url):
        await site.raised(GC1, Level.MAJOR)
        transport = LosesAnswers(httpx.AsyncHTTPTransport(), 2)
        async with AsyncClient(url, transport=transport) as client:
            result = await client.acknowledge(GC1)
            assert (result.outcome, result.count) == (Outcome.DONE, 1)
            await site.copy_history()
            assert [event.kind async for event in client.events(GC1, kind=["acknowledged", "command"])] == ["command", "acknowledged"]


# ---------------------------------------------------------------- certificates


@asynccontextmanager
async def behind_tls(url: str, certificates):
    """What a proxy does that speaks TLS in front of a server."""
    target = httpx.URL(url)

    serving: set[asyncio.Task[None]] = set()

    async def pipe(reader, writer):
        with contextlib.suppress(OSError, ssl.SSLError):
            while piece := await reader.read(65536):
                writer.write(piece)
                await writer.drain()
        writer.close()
        with contextlib.suppress(OSError, ssl.SSLError):
            await writer.wait_closed()

    async def serve(reader, writer):
        serving.add(asyncio.current_task())
        inner_reader, inner_writer = await asyncio.open_connection(target.host, target.port)
        await asyncio.gather(pipe(reader, inner_writer), pipe(inner_reader, writer))

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificates / "broker.pem")
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with server:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    await asyncio.gather(*serving)


async def test_certificates_of_an_authority_of_the_site(kind, tmp_path, monkeypatch):
    try:
        certificates = make_certificates(tmp_path / "certificates")
    except Missing as problem:
        pytest.skip(str(problem))
    async with served() as (_, plain), behind_tls(plain, certificates) as url:
        async with opened(kind, url, ca_file=certificates / "ca.pem") as client:
            assert len((await client.summary()).systems) == 3
        async with opened(kind, url, retries=0) as client:
            with pytest.raises(Unreachable, match=r"its certificate is not believed .*ca_file="):
                await client.summary()
        monkeypatch.setenv("TOCSIN_CA_FILE", str(certificates / "none.pem"))
        with pytest.raises(BadClientSettings, match=r"none\.pem cannot be used: No such file"):
            Client(url)
        (certificates / "none.pem").write_text("nothing")
        with pytest.raises(BadClientSettings, match="holds no certificate"):
            Client(url)


def test_settings_are_what_a_client_begins_with():
    assert ClientSettings().shown_url == "http://127.0.0.1:8080"
