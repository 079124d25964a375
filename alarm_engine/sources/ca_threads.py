"""Threads of libca that call into Python, made cheap.

Python makes a thread state for a thread that it has not started, and throws it away when the callback returns. Since 3.11 that is a
`mmap` and a `munmap` each time: 7 us of the 9 us that a callback of Channel Access costs. One more `PyGILState_Ensure` per thread, as the
C API intends for threads that come back, keeps the state; libCom tells when the thread ends, and then the state is given up.
"""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Callable
from typing import Any

_ensure = ctypes.pythonapi.PyGILState_Ensure
_ensure.restype = ctypes.c_int
_release = ctypes.pythonapi.PyGILState_Release
_release.argtypes = [ctypes.c_int]
_release.restype = None

_LOCKED = 0
"""PyGILState_LOCKED: what `_ensure` answers inside a callback, and what `_release` takes to give up the state but not the GIL."""


class _PerThread(threading.local):
    # Lives in the thread state itself, so it cannot outlast it, nor be taken over by a new thread with the number of a dead one.
    kept = False


_mine = _PerThread()


_keeping = set[int]()
"""Native numbers of the threads whose state is kept."""


def _end(_: Any) -> None:
    if _mine.kept:
        _mine.kept = False
        _keeping.discard(threading.get_native_id())
        _release(_LOCKED)


_give_up = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(_end)
"""What libCom calls at the end of a thread. Of the module, because threads of libca may outlive every object of ours."""


def thread_state_keeper(libca: ctypes.CDLL) -> Callable[[], None]:
    """A function for the beginning of a callback: keeps the Python state of the libca thread that runs it until that thread ends."""
    try:
        # libCom's, but looked up by way of libca: the wheel has libCom under two names, and only one of them is in use.
        at_thread_exit = libca.epicsAtThreadExit
    except AttributeError:  # Windows looks into the library itself only
        return lambda: None
    at_thread_exit.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
    at_thread_exit.restype = ctypes.c_int

    def keep() -> None:
        if not _mine.kept and at_thread_exit(_give_up, None) == 0:
            _mine.kept = True
            _keeping.add(threading.get_native_id())
            _ensure()

    return keep


def wait_for_threads(timeout_s: float) -> bool:
    """Wait until the threads that called back have ended, as those of a circuit without channels do. False if some live on.

    A thread that ended during the shutdown of Python would call into what is no more.
    """
    deadline = time.monotonic() + timeout_s
    while _keeping:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True
