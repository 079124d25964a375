"""Passwords and tokens: a file of users, and the check of what a client sends."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import argon2
import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from alarm_engine import strict_yaml
from alarm_engine.errors import SettingsError

_CACHED_S = 300.0
_CACHED = 1000
_FAILURES = 20
_FORGOTTEN_AFTER_S = 60.0
_ADDRESSES = 10_000
_TOKEN_BYTES = 32

RoleName = Literal["viewer", "operator", "engineer"]


def _argon2(text: str) -> str:
    try:
        argon2.extract_parameters(text)
    except argon2.exceptions.InvalidHashError as problem:
        raise ValueError("is no argon2 hash (expected a text like $argon2id$v=19$...)") from problem
    return text


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, max_length=100, pattern=r"^[^:\x00-\x1f]+$", description="Stands in the record of every command.")
    role: RoleName = Field(description="viewer: looks; operator: gives commands; engineer: everything.")


class UserEntry(_Entry):
    """Somebody with a password."""

    password: Annotated[str, AfterValidator(_argon2)] = Field(description="argon2 hash of the password.")


class TokenEntry(_Entry):
    """A program with a token."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the token, hexadecimal.")


class UsersFile(BaseModel):
    """The file of users."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    users: tuple[UserEntry, ...] = Field((), description="People.")
    tokens: tuple[TokenEntry, ...] = Field((), description="Programs.")


def load_users(path: Path) -> UsersFile:
    """Users of a YAML file; raises `SettingsError` that lists every fault, never what stands in the file."""
    try:
        data = strict_yaml.load(path.read_text("utf-8")) or {}
    except OSError as problem:
        raise SettingsError(f"{path}: the file of users cannot be read: {problem.strerror}") from problem
    except UnicodeDecodeError as problem:
        raise SettingsError(f"{path}: the file of users cannot be read: no UTF-8 text (byte {problem.start})") from problem
    except yaml.YAMLError as problem:
        raise SettingsError(f"{path}: the file of users is not YAML{_where(problem)}") from problem
    try:
        users = UsersFile.model_validate(data)
    except ValidationError as problem:
        faults = "\n".join(f"  {'.'.join(map(str, fault['loc']))}: {_said(fault)}" for fault in problem.errors(include_input=False))
        raise SettingsError(f"{path}: the file of users has faults:\n{faults}") from None
    names = [entry.name for entry in (*users.users, *users.tokens)]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise SettingsError(f"{path}: these names stand there more than once: {', '.join(doubled)}")
    return users


def _said(fault: ErrorDetails) -> str:
    known = {"missing": "is missing", "extra_forbidden": "is an unknown key"}.get(fault["type"])
    message = fault["msg"].removeprefix("Value error, ").replace("Input should", "should")
    return known or message[:1].lower() + message[1:]


def _where(problem: yaml.YAMLError) -> str:
    """Line and kind of a fault, without the text of the file."""
    if isinstance(problem, yaml.MarkedYAMLError) and problem.problem_mark is not None:
        return f": line {problem.problem_mark.line + 1}: {problem.problem}"
    return ""


def hash_password(password: str) -> str:
    """What stands in the file of users for a password."""
    return argon2.PasswordHasher().hash(password)


def new_token() -> tuple[str, str]:
    """A new token, and what stands in the file of users for it."""
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    return token, hashlib.sha256(token.encode()).hexdigest()


class Credentials:
    """Checks `Authorization` headers against a file of users. Passwords are dear to check, so good ones are remembered for a while."""

    def __init__(self, users: UsersFile | None = None, monotonic: Callable[[], float] = time.monotonic) -> None:
        users = users or UsersFile()
        self._users = {entry.name: entry for entry in users.users}
        self._tokens = {entry.sha256: entry for entry in users.tokens}
        self._roles = {entry.name: entry.role for entry in (*users.users, *users.tokens)}
        self._monotonic = monotonic
        self._hasher = argon2.PasswordHasher()
        self._nobody = self._hasher.hash(secrets.token_hex()) if users.users else ""
        self._one_at_a_time = asyncio.Lock()
        self._key = secrets.token_bytes(_TOKEN_BYTES)
        self._good: OrderedDict[bytes, tuple[str, float]] = OrderedDict()

    def role_of(self, name: str) -> RoleName | None:
        """What the file says somebody may do, None for a stranger."""
        return self._roles.get(name)

    async def check(self, header: str) -> tuple[str, RoleName] | None:
        """Name and role of an `Authorization` header that is good, else None."""
        scheme, _, rest = header.partition(" ")
        if scheme.lower() == "bearer":
            entry = self._tokens.get(hashlib.sha256(rest.strip().encode()).hexdigest())
            return (entry.name, entry.role) if entry else None
        if scheme.lower() != "basic":
            return None
        try:
            name, colon, password = base64.b64decode(rest.strip(), validate=True).decode("utf-8").partition(":")
        except (binascii.Error, ValueError):
            return None
        if colon and await self._is_good(name, password):
            return name, self._users[name].role
        return None

    async def _is_good(self, name: str, password: str) -> bool:
        mark = hmac.digest(self._key, f"{name}:{password}".encode(), "sha256")
        known = self._good.get(mark)
        if known is not None and self._monotonic() - known[1] < _CACHED_S:
            return True
        user = self._users.get(name)
        if not self._nobody:
            return False
        # One at a time: each takes much memory and a core, and a stranger must not have all of them.
        async with self._one_at_a_time:
            verified = await asyncio.to_thread(self._verify, user.password if user else self._nobody, password)
        if not verified or user is None:
            return False
        self._good[mark] = (name, self._monotonic())
        while len(self._good) > _CACHED:
            self._good.popitem(last=False)
        return True

    def _verify(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
            return False


class Throttle:
    """Counts wrong credentials per address."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def failed(self, address: str) -> None:
        """Wrong credentials came from there."""
        count, since = self._failures.pop(address, (0, self._monotonic()))
        if self._monotonic() - since > _FORGOTTEN_AFTER_S:
            count, since = 0, self._monotonic()
        self._failures[address] = (count + 1, since)
        while len(self._failures) > _ADDRESSES:
            self._failures.popitem(last=False)

    def is_blocked(self, address: str) -> bool:
        """True after many failures within a minute."""
        count, since = self._failures.get(address, (0, 0.0))
        return count >= _FAILURES and self._monotonic() - since <= _FORGOTTEN_AFTER_S
