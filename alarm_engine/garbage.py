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
