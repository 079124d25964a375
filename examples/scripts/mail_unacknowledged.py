#!/usr/bin/env python3
"""Mails what is in alarm and not acknowledged: for a timer at the begin of a shift.

    mail_unacknowledged.py --to shift@lab.example --from tocsin@lab.example --smtp mail.lab.example

Where tocsin is, and the token: TOCSIN_URL, TOCSIN_TOKEN_FILE. If the answer is old or there is none, the mail says so: no mail would look
as if all were well. Exit status: 0 a mail was sent, or nothing stands and --only-if-any was given; 2 no mail could be sent.
"""

from __future__ import annotations

import argparse
import smtplib
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import localtime

from tocsin import Client
from tocsin.client import Alarm, AlarmList, ClientError

MOST_LINES = 200


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """What was given on the command line."""
    parser = argparse.ArgumentParser(description="Mail what is in alarm and not acknowledged.")
    parser.add_argument("--to", action="append", required=True, metavar="ADDRESS", help="who gets it; repeatable")
    parser.add_argument("--from", dest="sender", required=True, metavar="ADDRESS", help="who sends it")
    parser.add_argument("--smtp", default="localhost:25", metavar="HOST[:PORT]", help="mail server (default: %(default)s)")
    parser.add_argument("--url", help="address of tocsin (default: TOCSIN_URL, else this machine)")
    parser.add_argument("--path", help="only this component (default: everything)")
    parser.add_argument("--only-if-any", action="store_true", help="no mail if nothing stands, and the answer can be relied upon")
    return parser.parse_args(given)


def line(alarm: Alarm) -> str:
    """One alarm as a line of the mail."""
    since = f"{alarm.since.astimezone():%Y-%m-%d %H:%M %Z}" if alarm.since is not None else "?"
    return f"{alarm.severity:<10} {since}  {alarm.description}\n{'':<10} {alarm.path}  {alarm.value} {alarm.message}"


def mail_of(found: AlarmList) -> tuple[str, str]:
    """Subject and text."""
    number = len(found.alarms)
    subject = f"{number} alarm{'' if number == 1 else 's'} not acknowledged" if number else "No alarm waits to be acknowledged"
    text = "\n".join(line(alarm) for alarm in found.alarms[:MOST_LINES]) or "Nothing is in alarm that nobody has acknowledged."
    if number > MOST_LINES:
        text += f"\n... and {number - MOST_LINES} more"
    if found.stale:
        subject = f"OLD: {subject}"
        text = "DO NOT RELY ON THIS: the alarm engine gives no life sign, so what follows is old.\n\n" + text
    return subject, text


def main(given: Sequence[str] | None = None) -> int:
    """Ask, and send; returns the exit status."""
    options = arguments(given)
    try:
        with Client(options.url) as client:
            found = client.alarms(options.path)
        if options.only_if_any and not found.alarms and not found.stale:
            return 0
        subject, text = mail_of(found)
    except ClientError as problem:
        subject, text = "Alarms are not known", f"tocsin could not be asked: {problem}\n\nNobody knows from here what is in alarm."
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = f"[alarms] {subject}", options.sender, ", ".join(options.to)
    message["Date"] = localtime()
    message.set_content(f"{text}\n\n{datetime.now(UTC).astimezone():%Y-%m-%d %H:%M:%S %Z}\n")
    host, _, port = options.smtp.partition(":")
    try:
        with smtplib.SMTP(host, int(port or 25), timeout=30) as server:
            server.send_message(message)
    except (OSError, ValueError, smtplib.SMTPException) as problem:
        print(f"the mail could not be sent by {options.smtp}: {problem}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
