"""When Python looks for garbage: a tree of alarms is many objects that stay, and to look through them holds everything up."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def nothing_collected() -> Iterator[None]:
    """For the moments in which a tree is built: looking for garbage meanwhile doubles the time, and finds none."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
