"""Commands are executed once, and never answered by what another one did."""

from __future__ import annotations

import pytest

from alarm_engine.model.command import CommandKind
from alarm_engine.model.event import EventKind
from alarm_engine.model.settings import AlarmSettings
from alarm_engine.model.severity import Severity
from tests.unit.evaluating import Control, only

S = Severity
K = CommandKind
GC = "/Demo/Vacuum/GC1"
GV = "/Demo/Vacuum/GV1"


@pytest.mark.parametrize(("kind", "path"), [(K.ACKNOWLEDGE, GV), (K.UNACKNOWLEDGE, GC)])
def test_an_id_that_is_used_again_for_another_command_is_refused(kind, path):
    control = Control({GC: AlarmSettings("Pressure"), GV: AlarmSettings("Valve")})
    control.sample("GC1", S.MAJOR)
    control.sample("GV1", S.MAJOR)
    control.command(K.ACKNOWLEDGE, GC, id="x")
    answer = only(control.command(kind, path, id="x"))
    assert (answer.kind, answer.path, answer.result) == (EventKind.REFUSED, path, None)
    assert "id" in answer.reason
    assert (control.severity(GC), control.severity(GV)) == (S.MAJOR_ACK, S.MAJOR)
    again = only(control.command(K.ACKNOWLEDGE, GC, id="x"))
    assert again.kind is EventKind.COMMAND
    assert again.result
    assert again.result.done == 1


def test_an_acknowledgement_that_was_taken_back_while_the_pv_was_away_stays_taken_back():
    control = Control({GC: AlarmSettings("Pressure")})
    control.sample("GC1", S.MAJOR)
    control.command(K.ACKNOWLEDGE, GC)
    control.link("GC1", False)
    control.command(K.UNACKNOWLEDGE, GC)
    for room in (control.restarted(), control):
        assert room.leaf(GC).kept is None
        assert room.leaf(GC).acknowledgement is None
        room.sample("GC1", S.MAJOR)
        assert room.severity(GC) is S.UNDEFINED  # latched: somebody has to see that the PV was away
