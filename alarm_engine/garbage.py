"""When Python looks for garbage: a tree of alarms is many objects that stay, and to look through them holds everything up."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_resting = 0
"""How many want it off; whoever else had switched it off finds it off."""
_was_enabled = False
_set_aside = 0
"""How many have something set aside."""
_dead_too = False
"""Something of it is not needed any more."""


@contextmanager
def nothing_collected() -> Iterator[None]:
    """For the moments in which a tree is built: looking for garbage meanwhile doubles the time, and finds none. From any thread."""
    global _resting, _was_enabled  # noqa: PLW0603 - there is one collector in a process
    with _lock:
        if not _resting:
            _was_enabled = gc.isenabled()
            gc.disable()
        _resting += 1
    try:
        yield
    finally:
        with _lock:
            _resting -= 1
            if not _resting and _was_enabled:
                gc.enable()


def set_aside() -> None:
    """What there is now stays, and is not looked through until whoever set it aside takes it back. Returns at once; from any thread."""
    global _set_aside  # noqa: PLW0603
    with _lock:
        _set_aside += 1
        gc.freeze()


def take_back() -> None:
    """What was set aside may go; what others set aside stays so. Returns at once, once for each `set_aside`."""
    global _set_aside, _dead_too  # noqa: PLW0603
    with _lock:
        _set_aside -= 1
        _dead_too = _set_aside > 0
        if not _dead_too:
            gc.unfreeze()


def tidy_up() -> None:
    """Find what was taken back among what others set aside: nothing tells them apart but to look through all of it once.

    Call it when nothing refers to what was taken back. It takes a second for 100,000 alarms of others, and nothing where there are none.
    """
    global _dead_too  # noqa: PLW0603
    with _lock:
        if _dead_too:
            gc.unfreeze()
            gc.collect()
            gc.freeze()
        _dead_too = False
