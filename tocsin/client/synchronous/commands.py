"""Commands. Each has an id, under which it is carried out once however often it is sent."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

from tocsin.client.answers import convert, error_of, objects, problem_of
from tocsin.client.asking import When, parameters, seconds, when
from tocsin.client.errors import Unavailable, Unreachable
from tocsin.client.outcomes import PROBLEMS, is_surely_not_carried_out, unanswered
from tocsin.client.synchronous.asker import Asker
from tocsin.client.types.commands import CommandResult
from tocsin.client.types.names import Outcome


class Commands(Asker):
    """Commands for an alarm, or for everything below a component.

    All take a `reason`, which stands in the history, and `user`, which counts only where the server asks nobody to log in. They return
    a `CommandResult` also if the engine refuses or does not answer in time; they raise `NotFound` for a path that is not in the tree.
    """

    def acknowledge(self, path: str, *, reason: str = "", seen: str | None = None, user: str | None = None) -> CommandResult:
        """Take notice of an alarm, or of all below a component.

        Give as `seen` the `as_of` of the answer that you looked at (or the `version` of the alarm): what rose after it is left alone.

        >>> seen = (client.alarms()).as_of
        >>> result = client.acknowledge("/Acc/Vacuum", reason="pump is being changed", seen=seen)
        >>> result.outcome, result.count, result.left_alone
        ('done', 1, ())
        """
        return self._command("acknowledge", path, reason=reason, seen=seen, user=user)

    def unacknowledge(self, path: str, *, reason: str = "", user: str | None = None) -> CommandResult:
        """Take an acknowledgement back.

        >>> (client.unacknowledge("/Acc/RF/Cavity/P1")).count
        1
        """
        return self._command("unacknowledge", path, reason=reason, user=user)

    def shelve(
        self,
        path: str,
        *,
        duration: timedelta | float | str | None = None,
        until: When | None = None,
        reason: str = "",
        user: str | None = None,
    ) -> CommandResult:
        """Take an alarm out of sight for a time.

        Either for a `duration` (a timedelta, seconds, `1h`) or `until` (an aware datetime, ISO 8601 with a zone, `+2h`).

        >>> (client.shelve("/Acc/Vacuum/GC1", duration=timedelta(hours=1), reason="works")).done
        True
        >>> (client.shelve("/Acc/Vacuum/GC2", until="+30m")).done
        True
        """
        end = parameters(duration=None if duration is None else seconds(duration), until=when(until, "until"))
        return self._command("shelve", path, reason=reason, user=user, **end)

    def unshelve(self, path: str, *, reason: str = "", user: str | None = None) -> CommandResult:
        """Bring a shelved alarm back now.

        >>> (client.unshelve("/Acc/Vacuum/GC10")).done
        True
        """
        return self._command("unshelve", path, reason=reason, user=user)

    def disable(self, path: str, *, reason: str = "", user: str | None = None) -> CommandResult:
        """Take an alarm out of service until somebody enables it.

        >>> (client.disable("/Acc/INTERLOCK", reason="is being rebuilt")).done
        True
        """
        return self._command("disable", path, reason=reason, user=user)

    def enable(self, path: str, *, reason: str = "", user: str | None = None) -> CommandResult:
        """Put an alarm back into service.

        >>> (client.enable("/Acc/INTERLOCK")).done
        True
        """
        return self._command("enable", path, reason=reason, user=user)

    def _command(self, command: str, path: str, *, user: str | None, **given: Any) -> CommandResult:
        user = self._settings.user if user is None else user
        body = parameters(command=command, path=path, id=str(uuid.uuid4()), user=user, **given)
        try:
            answer = self._connection.answer("POST", "api/v1/commands", also=(202, 409, 503), json=body)
        except (Unreachable, Unavailable) as problem:
            if is_surely_not_carried_out(problem):
                raise
            return unanswered(body, Outcome.NOT_CONFIRMED, f"{problem}; it may have been carried out")
        if answer.status_code not in PROBLEMS:
            return convert(CommandResult, objects(answer.content))
        told = problem_of(answer.content)
        if "outcome" not in told:
            raise error_of(answer.status_code, answer.headers, answer.content)
        return unanswered(body, Outcome(told["outcome"]), str(told.get("message", "")), told.get("event"))
