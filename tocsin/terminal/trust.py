"""How far the table can be trusted, and what has been seen of it. Nothing else decides about the banner. Pure: time comes in as `now`."""

from __future__ import annotations

from dataclasses import dataclass, field

from tocsin.cli.printing import at_prompt, span
from tocsin.client.types import Beat, Change, Fresh, Snapshot, Stale, Update

SILENCE_S = 6.0
"""The server gives a sign each second: nothing for that long means that the connection is dead."""

BEHIND_MS = 2000.0
"""More than that is worth a word: what PVs say waits so long to be decided."""

SIGHT_S = 0.3
"""An event counts as seen when it has been on screen that long."""


@dataclass(frozen=True, slots=True)
class Banner:
    """Why what is shown can not be trusted."""

    title: str
    text: str


@dataclass(slots=True)
class Feed:
    """One configuration: what its subscription has said about itself. Times in seconds of a steady clock."""

    config: str
    heard: float | None = None
    """When anything came; None: nothing ever did."""
    loaded: bool = False
    """A snapshot has come."""
    since: str = ""
    """Since when it is old, as a time of day here; empty where that is not known."""
    stale: str | None = "alarms are not known yet"
    """Why it is old; None: it is not."""
    failed: str | None = None
    """Why there is no subscription."""
    beat: Beat | None = None

    def take(self, update: Update, now: float) -> None:
        """Something came."""
        self.heard, self.failed = now, None
        if isinstance(update, Stale):
            self.stale, self.since = update.why, f" since {update.since.astimezone():%H:%M:%S}"
        elif isinstance(update, Fresh):
            self.stale = None
        elif isinstance(update, Snapshot):
            self.loaded = True
            self.stale = (self.stale or "no life sign of the engine") if update.stale else None
        elif isinstance(update, Beat):
            self.beat = update
            if update.stale and self.stale is None:
                self.stale = "no life sign of the engine"
        else:
            assert isinstance(update, Change)
        if self.stale is None:
            self.since = ""

    def fail(self, why: str) -> None:
        """The subscription ended."""
        self.failed = why

    def banner(self, now: float) -> Banner | None:
        """Why it can not be trusted; None if it can."""
        old = "Alarms are not known." if not self.loaded else "What is shown below is OLD."
        if self.failed is not None:
            return Banner("NO CONNECTION", f"{_sentence(self.failed)} Alarms are NOT being watched here{self.since}. {old} Trying again …")
        if self.heard is None or (not self.loaded and self.stale is None):
            return Banner("CONNECTING", "Alarms are not known yet.")
        if now - self.heard > SILENCE_S:
            return Banner("NO CONNECTION", f"Nothing from the server for {span(now - self.heard)}. {old} Trying again …")
        if self.stale is not None:
            return Banner("STALE", f"Not the present{self.since}: {_sentence(self.stale)} {old}")
        return None


def _sentence(text: str) -> str:
    text = at_prompt(text.strip())
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."


def banner_of(feeds: list[Feed], now: float) -> Banner | None:
    """The banner over all configurations; which of several it is about stands in it."""
    if not feeds:
        return Banner("CONNECTING", "Alarms are not known yet.")
    found = [(feed, banner) for feed in feeds if (banner := feed.banner(now)) is not None]
    if not found:
        return None
    feed, banner = found[0]
    if len(feeds) == 1:
        return banner
    others = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return Banner(banner.title, f"{feed.config}{others}: {banner.text}")


def notice_of(feeds: list[Feed]) -> Banner | None:
    """What is to be known beside alarms that can be trusted: somebody else writes them too."""
    for feed in feeds:
        if feed.beat is not None and feed.beat.foreign:
            return Banner("SECOND WRITER", f"{feed.beat.foreign[0].upper()}{feed.beat.foreign[1:]}.")
    return None


def engine_words(feeds: list[Feed]) -> str:
    """What the engines say of themselves: how long ago, how many PVs, how far behind."""
    beats = [feed.beat for feed in feeds if feed.beat is not None]
    if not beats:
        return ""
    words = [f"{max((beat.age_s or 0.0) for beat in beats):.1f} s"]
    engines = [beat.engine for beat in beats if beat.engine is not None]
    if engines:
        words.append(f"{sum(one.pvs_connected for one in engines)} of {sum(one.pvs_total for one in engines)} PVs")
        behind = max(one.lag_ms for one in engines)
        if behind > BEHIND_MS:
            words.append(f"{span(behind / 1000)} BEHIND")
    if any(beat.maintenance for beat in beats):
        words.append("MAINTENANCE")
    if not all(beat.notify for beat in beats):
        words.append("NO NOTIFICATIONS")
    return " · ".join(words)


def unknown(feeds: list[Feed]) -> int:
    """Alarms of which nothing is known yet."""
    return sum(feed.beat.unknown for feed in feeds if feed.beat is not None)


@dataclass(slots=True)
class Sight:
    """Remembers which events were on screen when: nobody acknowledges what he has not seen."""

    shown: dict[str, list[tuple[float, str]]] = field(default_factory=dict)

    def painted(self, as_of: dict[str, str], now: float) -> None:
        """Everything up to these events has just been painted."""
        for config, event in as_of.items():
            times = self.shown.setdefault(config, [])
            if not times or times[-1][1] != event:
                times.append((now, event))
            old = next((index for index in range(len(times) - 1, -1, -1) if times[index][0] <= now - SIGHT_S), 0)
            del times[:old]

    def seen(self, config: str, now: float) -> str | None:
        """Newest event of a configuration that has been on screen long enough to be seen."""
        times = self.shown.get(config)
        if not times:
            return None
        return next((event for time, event in reversed(times) if time <= now - SIGHT_S), times[0][1])
