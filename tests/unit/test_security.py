"""Who is asking, and what may they do."""

from __future__ import annotations

import base64
import hashlib

import argon2
import pytest

from alarm_engine.errors import SettingsError
from backend.credentials import Credentials, Throttle, UsersFile, hash_password, load_users, new_token
from backend.proxies import client_behind, network
from backend.security import AuthMode, Role, Security, SecuritySettings, check_exposure, host_name, is_loopback
from tests.unit.backend_world import world

CHEAP = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
COMMAND = {"command": "acknowledge", "path": "/Acc/Vacuum/GC1", "user": "somebody else"}


def users() -> UsersFile:
    def digest(token: str) -> str:
        return hashlib.sha256(token.encode()).hexdigest()

    return UsersFile.model_validate(
        {
            "users": [
                {"name": "vera", "role": "viewer", "password": CHEAP.hash("look")},
                {"name": "otto", "role": "operator", "password": CHEAP.hash("höre:zu")},
            ],
            "tokens": [
                {"name": "grafana", "role": "viewer", "sha256": digest("gggg")},
                {"name": "robot", "role": "operator", "sha256": digest("rrrr")},
            ],
        }
    )


def basic(name: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def guarded(**settings: object) -> Security:
    return Security(SecuritySettings(mode=AuthMode.USERS, **settings), Credentials(users()))  # type: ignore[arg-type]


# ---------------------------------------------------------------- exposure


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.8.9.1", "[::1]", "tocsin.localhost"])
def test_loopback_needs_nothing(host):
    check_exposure(host, True, AuthMode.NONE)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "ctrl-room", "", "localhost.evil.org", "fe80::1"])
def test_any_other_address_with_commands_needs_authentication(host):
    with pytest.raises(SettingsError) as told:
        check_exposure(host, True, AuthMode.NONE)
    for word in ("auth.mode", "backend.commands", "127.0.0.1", repr(host)):
        assert word in str(told.value)
    check_exposure(host, False, AuthMode.NONE)
    check_exposure(host, True, AuthMode.USERS)
    check_exposure(host, True, AuthMode.PROXY)


# ---------------------------------------------------------------- who is asking


async def test_commands_need_an_operator_who_says_who_he_is():
    async with world(security=guarded()) as site, site.client() as client:
        await site.raised("/Acc/Vacuum/GC1")
        assert (await client.get("/api/v1/alarms")).status_code == 200
        for headers, status, word in (
            ({}, 401, "operator"),
            (basic("vera", "look"), 403, "vera has the role viewer"),
            (basic("otto", "wrong"), 401, "wrong"),
            (basic("nobody", "look"), 401, "wrong"),
            (bearer("gggg"), 403, "grafana"),
            (bearer("wrong"), 401, "wrong"),
            ({"Authorization": "Basic ???"}, 401, "wrong"),
            ({"Authorization": "Digest x"}, 401, "wrong"),
        ):
            answer = await client.post("/api/v1/commands", json=COMMAND, headers=headers)
            assert answer.status_code == status, headers
            assert word in answer.json()["message"]
            assert (status == 401) == ("www-authenticate" in answer.headers)
        for headers, name in ((basic("otto", "höre:zu"), "otto"), (bearer("rrrr"), "robot")):
            answer = await client.post("/api/v1/commands", json=COMMAND, headers=headers)
            assert (answer.status_code, answer.json()["user"]) == (200, name)


async def test_reading_may_need_a_user_too():
    async with world(engine=False, security=guarded(open_reading=False)) as site, site.client() as client:
        for path in ("/", "/api/v1/alarms", "/metrics", "/grafana", "/grafana/rows/systems", "/openapi.json", "/static/tocsin.js"):
            answer = await client.get(path)
            assert answer.status_code == 401, path
            assert answer.headers["www-authenticate"].startswith("Basic")
        assert (await client.post("/grafana/query", json={})).status_code == 401
        assert (await client.get("/healthz")).status_code == 200
        assert (await client.get("/readyz")).status_code == 200
        assert (await client.get("/api/v1/alarms", headers=bearer("gggg"))).status_code == 200
        assert (await client.get("/api/v1/alarms", headers=basic("vera", "look"))).status_code == 200


async def test_a_password_is_checked_once_and_remembered_only_while_it_is_good():
    now = [0.0]
    credentials = Credentials(users(), lambda: now[0])
    checked = []
    verify = credentials._verify
    credentials._verify = lambda *a: checked.append(a) or verify(*a)  # type: ignore[method-assign]
    for _ in range(3):
        assert await credentials.check(basic("otto", "höre:zu")["Authorization"]) == ("otto", "operator")
    assert len(checked) == 1
    assert await credentials.check(basic("otto", "no")["Authorization"]) is None
    assert await credentials.check(basic("otto", "no")["Authorization"]) is None
    assert len(checked) == 3
    now[0] = 1000
    assert await credentials.check(basic("otto", "höre:zu")["Authorization"]) == ("otto", "operator")
    assert len(checked) == 4


async def test_guessing_is_stopped():
    async with world(engine=False, security=guarded()) as site, site.client() as client:
        for _ in range(20):
            assert (await client.get("/api/v1/alarms", headers=bearer("guess"))).status_code == 401
        answer = await client.get("/api/v1/alarms", headers=bearer("rrrr"))
        assert answer.status_code == 429
        assert answer.headers["retry-after"]
        assert (await client.get("/api/v1/alarms")).status_code == 200


def test_the_throttle_forgets():
    now = [0.0]
    throttle = Throttle(lambda: now[0])
    for _ in range(20):
        throttle.failed("a")
    assert throttle.is_blocked("a")
    assert not throttle.is_blocked("b")
    now[0] = 61
    assert not throttle.is_blocked("a")


async def test_a_proxy_names_the_user_but_only_a_trusted_one():
    settings = SecuritySettings(mode=AuthMode.PROXY, proxies=(network("10.0.0.1"),))
    security = Security(settings, Credentials(users()))
    headers = {"x-forwarded-user": "mara", "x-forwarded-for": "6.6.6.6, 10.9.9.9"}
    identity = await security.identify(headers, "10.0.0.1")
    assert (identity.name, identity.role, identity.host) == ("mara", Role.OPERATOR, "10.9.9.9")
    stranger = await security.identify(headers, "10.0.0.2")
    assert (stranger.name, stranger.role, stranger.host) == ("", Role.VIEWER, "10.0.0.2")
    vera = await security.identify({"x-forwarded-user": "vera"}, "10.0.0.1")
    assert vera.role is Role.VIEWER
    assert (await security.identify(bearer_lower("rrrr"), "10.0.0.2")).name == "robot"


PROXIES = (network("10.244.0.0/16"), network("192.0.2.7"), network("fd00::/8"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("10.244.3.4", "198.51.100.9", "198.51.100.9"),
        ("10.244.3.4", "6.6.6.6, 198.51.100.9", "198.51.100.9"),  # what the client wrote itself stands before it
        ("10.244.3.4", "6.6.6.6, 198.51.100.9, 192.0.2.7", "198.51.100.9"),  # two proxies of ours
        ("10.244.3.4", "10.244.9.9", "10.244.9.9"),  # from within
        ("10.244.3.4", "", "10.244.3.4"),
        ("10.244.3.4", "198.51.100.9, not an address", "10.244.3.4"),
        ("10.244.3.4", "198.51.100.9:50123", "198.51.100.9"),
        ("fd00::7", "[2001:db8::9]:50123", "2001:db8::9"),
        ("::ffff:10.244.3.4", "::ffff:198.51.100.9", "198.51.100.9"),
        ("198.51.100.1", "6.6.6.6", "198.51.100.1"),  # no proxy of ours
        ("10.245.0.1", "6.6.6.6", "10.245.0.1"),
        ("testclient", "6.6.6.6", "testclient"),
    ],
)
def test_only_our_proxies_are_believed_about_who_asks(peer, forwarded, client):
    assert client_behind(peer, forwarded, PROXIES) == client


async def test_behind_an_ingress_everybody_has_an_address_of_his_own():
    """So one who guesses passwords keeps nobody else out, and a command tells from where it came; names come from the file of users."""
    security = guarded(proxies=(network("127.0.0.0/8"),))
    async with world(security=security) as site, site.client() as client:
        await site.raised("/Acc/Vacuum/GC1")
        guess = {"X-Forwarded-For": "198.51.100.66"}
        for _ in range(20):
            assert (await client.get("/api/v1/alarms", headers=bearer("guess") | guess)).status_code == 401
        assert (await client.get("/api/v1/alarms", headers=bearer("rrrr") | guess)).status_code == 429
        claimed = [("X-Forwarded-For", "198.51.100.66"), ("X-Forwarded-For", "198.51.100.9"), ("X-Forwarded-User", "vera")]
        answer = await client.post("/api/v1/commands", json=COMMAND, headers=[*claimed, *bearer("rrrr").items()])
        assert (answer.status_code, answer.json()["user"]) == (200, "robot")
        assert site.tree.alarms["/Acc/Vacuum/GC1"].snapshot.acknowledgement.host == "198.51.100.9"


def bearer_lower(token: str) -> dict[str, str]:
    return {name.lower(): value for name, value in bearer(token).items()}


# ---------------------------------------------------------------- pages from elsewhere


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "http://localhost"}, 200),
        ({"Origin": "http://evil.org"}, 403),
        ({"Origin": "http://localhost:9999"}, 403),
        ({"Origin": "null"}, 403),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
    ],
)
async def test_a_page_of_another_site_cannot_give_commands(headers, status):
    async with world() as site, site.client() as client:
        answer = await client.post("/api/v1/commands", json=COMMAND, headers=headers)
        assert answer.status_code == status


@pytest.mark.parametrize(
    ("host", "good"),
    [("localhost", True), ("localhost:8080", True), ("127.0.0.1:1", True), ("[::1]:80", True), ("evil.org", False), ("", False),
     ("localhost.evil.org", False), ("tocsin.example:80", True)],
)  # fmt: skip
async def test_on_loopback_only_its_own_names_are_answered(host, good):
    security = Security(SecuritySettings(allowed_hosts=("Tocsin.example",)))
    async with world(engine=False, security=security) as site, site.client() as client:
        answer = await client.get("/healthz", headers={"Host": host})
        assert answer.status_code == (200 if good else 421)
    assert Security(SecuritySettings(loopback=False)).is_host_allowed(host)


@pytest.mark.parametrize(
    ("host", "good"),
    [("tocsin.example", True), ("10.1.2.3:8080", True), ("[fe80::1]", True), ("localhost", True), ("evil.org", False), ("", False)],
)
async def test_on_a_network_names_count_once_they_are_given(host, good):
    """A browser on the machine of a trusted proxy could be led here under a foreign name, and send the header of the proxy."""
    given = SecuritySettings(mode=AuthMode.PROXY, proxies=(network("127.0.0.1"),), loopback=False, allowed_hosts=("Tocsin.example",))
    assert Security(given).is_host_allowed(host) is good


async def test_a_body_without_end_is_refused():
    async def endless():
        while True:
            yield b"x" * 100_000

    async with world(engine=False) as site, site.client() as client:
        for path in ("/api/v1/commands", "/grafana/query"):
            answer = await client.post(path, content=endless(), headers={"Content-Type": "application/json"})
            assert answer.status_code == 413, path
            assert answer.headers["content-type"] == "application/problem+json"


def test_host_names():
    assert host_name("[::1]:80") == "::1"
    assert host_name("::1") == "::1"
    assert host_name("Example:80") == "example"
    assert not is_loopback("")


# ---------------------------------------------------------------- the file of users


def test_a_file_of_users(tmp_path):
    token, digest = new_token()
    path = tmp_path / "users.yaml"
    path.write_text(
        f"users:\n  - {{name: otto, role: operator, password: '{CHEAP.hash('x')}'}}\n"
        f"tokens:\n  - {{name: robot, role: viewer, sha256: {digest}}}\n"
    )
    found = load_users(path)
    assert (found.users[0].name, found.tokens[0].role) == ("otto", "viewer")
    assert len(token) > 40
    assert hash_password("x").startswith("$argon2id$")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("users: [{name: a, role: boss, password: hunter2}]", ["users.0.role", "users.0.password", "argon2"]),
        ("usrs: []", ["usrs: is an unknown key"]),
        ("users: [{name: a, role: boss}]", ["users.0.role: should be 'viewer', 'operator' or 'engineer'", "users.0.password: is missing"]),
        ("users: [{name: 'a:b', role: viewer}]", ["users.0.name", "users.0.password"]),
        ("tokens: [{name: a, role: viewer, sha256: zz}]", ["tokens.0.sha256"]),
        ("users: [", ["YAML"]),
        ("- x", ["faults"]),
    ],
)
def test_a_faulty_file_of_users_is_told_all_its_faults_and_no_secret(tmp_path, text, words):
    path = tmp_path / "users.yaml"
    path.write_text(text)
    with pytest.raises(SettingsError) as told:
        load_users(path)
    assert [word for word in [*words, str(path)] if word not in str(told.value)] == []
    assert "hunter2" not in str(told.value)


def test_a_name_stands_once_in_the_file_of_users(tmp_path):
    entry = f"{{name: otto, role: viewer, sha256: '{'0' * 64}'}}"
    path = tmp_path / "users.yaml"
    path.write_text(f"tokens: [{entry}, {entry}]")
    with pytest.raises(SettingsError, match="otto"):
        load_users(path)
    with pytest.raises(SettingsError, match=r"none\.yaml"):
        load_users(tmp_path / "none.yaml")
