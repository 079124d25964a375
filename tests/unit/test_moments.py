"""Times and spans as people write them at a prompt."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import typer

from tocsin.cli.moments import moment, read_end, read_moment, read_span

NOW = datetime(2026, 11, 30, 15, 0, tzinfo=ZoneInfo("Europe/Berlin"))


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("now", "2026-11-30T15:00:00+01:00"),
        ("2h", "2026-11-30T13:00:00+01:00"),
        ("-90s", "2026-11-30T14:58:30+01:00"),
        ("+1.5d", "2026-12-02T03:00:00+01:00"),
        ("9:05", "2026-11-30T09:05:00+01:00"),
        ("14:00:30", "2026-11-30T14:00:30+01:00"),
        ("2026-07-20 14:00", "2026-07-20T14:00:00+02:00"),
        ("2026-07-20", "2026-07-20T00:00:00+02:00"),
        ("2026-07-20T14:00Z", "2026-07-20T14:00:00+00:00"),
    ],
)
def test_what_is_meant(text, meant):
    assert moment(text, NOW).isoformat() == meant


@pytest.mark.parametrize("text", ["", "soon", "25:00", "2026-13-01", "0001-01-01", "999999999w", "60000w", "-2026", "1e3h"])
def test_what_is_no_time_is_told_with_what_was_expected(text):
    with pytest.raises(ValueError, match=r"is no time: expected 2h \(ago\)|is before the year|beyond all times"):
        moment(text, NOW)


def test_the_future_is_refused_where_only_the_past_is_known():
    with pytest.raises(typer.BadParameter, match="lies in the future"):
        read_moment("+1h", "'--since'")
    assert read_moment("+1h", "'--until'", past=False) > datetime.now(UTC)


def test_of_a_time_to_come_that_is_expected_and_no_past_one():
    assert read_end("+2h", "'--until'") > datetime.now(UTC)
    with pytest.raises(typer.BadParameter, match=r"'yesterday' is no time: expected \+2h \(from now\), 18:00, ") as told:
        read_end("yesterday", "'--until'")
    assert "ago" not in str(told.value)
    with pytest.raises(typer.BadParameter, match="has passed"):
        read_end("2h", "'--until'")


def test_spans():
    assert read_span("1.5h", "'--for'") == timedelta(minutes=90)
    for text in ("soon", "-1h", "0s", "999999999w", "90"):
        with pytest.raises(typer.BadParameter):
            read_span(text, "'--for'")
