"""What `tocsin run` would refuse is said by `tocsin settings check`."""

import pytest
from typer.testing import CliRunner

from alarm_engine.errors import SettingsError
from tocsin.cli.settings import app

GOOD = "configurations:\n  - tree: tree.yaml\n"


@pytest.fixture
def check(tmp_path):
    """Check settings beside a tree and a file of users."""
    (tmp_path / "tree.yaml").write_text("config: Site\nsystems: {}\n")
    (tmp_path / "users.yaml").write_text(f"tokens: [{{name: robot, role: operator, sha256: '{'0' * 64}'}}]\n")

    def run(text):
        path = tmp_path / "site.yaml"
        path.write_text(text)
        result = CliRunner().invoke(app, ["check", str(path)])
        if isinstance(result.exception, SettingsError):
            return str(result.exception)
        assert result.exception is None
        return result.output

    return run


@pytest.mark.parametrize(
    "text",
    [
        "",
        "backend: {host: 0.0.0.0, commands: false}\n",
        "backend: {host: 0.0.0.0}\nauth: {mode: users, users_file: users.yaml}\n",
        "auth: {mode: proxy, proxy_addresses: [127.0.0.1, 10.244.0.0/16, 'fd00::/8']}\n",
    ],
)
def test_good_settings(check, text):
    assert "is good" in check(GOOD + text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("auth: {mode: users}\n", "auth.users_file is missing: nobody could give commands"),
        ("auth: {mode: proxy}\n", "auth.proxy_addresses is empty: no proxy would be believed"),
        (
            "auth: {proxy_addresses: [10.0.0.1/8]}\n",
            "'10.0.0.1/8' is neither an address nor a network: expected one as 127.0.0.1 or 10.244",
        ),
        ("auth: {mode: users, users_file: gone.yaml}\n", "gone.yaml: the file of users cannot be read: No such file or directory"),
        ("backend: {host: 0.0.0.0}\n", "anybody who reaches this machine could acknowledge"),
    ],
)
def test_nobody_is_left_without_commands_or_everybody_with_them(check, text, said):
    assert said in check(GOOD + text)


def test_a_tree_that_is_not_there(check):
    assert "there is no alarm tree" in check(GOOD.replace("tree.yaml", "gone.yaml"))
