"""The web side: is it there, is it ours, does it say that it is ready, what time is it there."""

from __future__ import annotations

import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime

import httpx

from tocsin.examination.finding import Finding, fault, good, note, warning
from tocsin.examination.site import Site

_CLOCK_S = 2.0
"""The head of an answer has full seconds."""


def web_side(site: Site) -> Iterator[Finding]:
    """What `/readyz` says, and what is wrong with the clock there."""
    address = site.web_address
    if not address:
        yield note("web side", "its port is left to chance (backend.port is 0): say with --url where it listens")
        return
    subject = f"web side {address}"
    began = time.monotonic()
    try:
        # Not through the proxy that browsers use.
        with httpx.Client(timeout=site.wanted.patience_s, trust_env=False) as client:
            answer = client.get(f"{address}/readyz")
    except httpx.ConnectError as problem:
        yield _not_there(site, subject, problem)
        return
    except httpx.TimeoutException:
        yield fault(subject, f"takes connections, and does not answer within {site.wanted.patience_s:g} s", "see its log; restart it")
        return
    except (httpx.HTTPError, httpx.InvalidURL) as problem:
        yield fault(subject, f"gives no answer that is HTTP: {problem}", "is it another program? see what listens there: ss -ltnp")
        return
    yield readiness(subject, answer, time.monotonic() - began)
    yield from _clock(answer)


def _not_there(site: Site, subject: str, problem: Exception) -> Finding:
    if site.wanted.url:
        return fault(subject, f"cannot be reached: {problem}", "is it running, is the address right?")
    advice = "start it: `tocsin run`, or `tocsin backend`; if it is on another machine, say with --url where"
    return warning(subject, f"does not run: {problem}", advice)


def readiness(subject: str, answer: httpx.Response, seconds: float) -> Finding:
    """One answer of `/readyz`."""
    try:
        body = answer.json()
        ready, missing = bool(body["ready"]), dict(body["missing"])
    except (ValueError, KeyError, TypeError):
        told = f"something else than tocsin answers there (status {answer.status_code})"
        return fault(subject, told, "choose another port (backend.port), or stop that program: ss -ltnp says which it is")
    if ready:
        return good(subject, f"is ready, answers in {seconds * 1000:.0f} ms")
    told = "; ".join(f"{what}: {why}" for what, why in missing.items())
    return fault(subject, f"is not ready: {told}", "see docs/how-to/when-something-is-wrong.md")


def _clock(answer: httpx.Response) -> Iterator[Finding]:
    try:
        told = parsedate_to_datetime(answer.headers["date"]).timestamp()
    except (KeyError, ValueError):
        return
    ahead_s = told - time.time()
    # A second that has begun is told until it ends.
    if -_CLOCK_S <= ahead_s <= _CLOCK_S - 1:
        yield good("clock of the web side", "agrees with that of this machine")
        return
    where = "ahead of" if ahead_s > 0 else "behind"
    yield warning("clock of the web side", f"is about {abs(ahead_s):,.0f} s {where} that of this machine", "set the clocks by NTP")


def health(site: Site) -> Iterator[Finding]:
    """The same of an engine or history writer that runs here beside a web side, where the settings give it a port."""
    section = site.settings.health
    if not section.port:
        yield note("health of roles", "health.port is not given: engine and history in processes of their own tell machines nothing")
        return
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(section.host, section.host)
    address = f"http://{f'[{host}]' if ':' in host else host}:{section.port}"
    try:
        with httpx.Client(timeout=site.wanted.patience_s, trust_env=False) as client:
            began = time.monotonic()
            yield readiness(f"role at {address}", client.get(f"{address}/readyz"), time.monotonic() - began)
    except httpx.HTTPError as problem:
        yield note(f"role at {address}", f"does not answer here: {problem}")
