"""A part of a cluster that a test does itself: it looks at what is there, again and again, and does what is to be done."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from typing import Any, Self

from tests.acceptance.kubernetes.control_plane import ControlPlane

_LOOK_S = 0.2


class StandIn(ABC):
    """A context manager; what went wrong meanwhile is raised at its end."""

    def __init__(self, plane: ControlPlane) -> None:
        self.plane = plane
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._go_on, daemon=True)
        self._problem: Exception | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        if self._problem is not None:
            raise self._problem

    @abstractmethod
    def look(self) -> None:
        """Do what is to be done now."""

    def items(self, path: str) -> list[dict[str, Any]]:
        """A list of the API; empty where the kind is not served yet, as right after its definition was made."""
        answer = self.plane.client.get(path)
        if answer.status_code in (404, 429):
            return []
        found: list[dict[str, Any]] = answer.raise_for_status().json()["items"]
        return found

    def set_status(self, path: str, status: dict[str, Any]) -> bool:
        """Of an object; false if it went meanwhile."""
        content = {"Content-Type": "application/merge-patch+json"}
        answer = self.plane.client.patch(f"{path}/status", json={"status": status}, headers=content)
        if answer.status_code == 404:
            return False
        answer.raise_for_status()
        return True

    def _go_on(self) -> None:
        try:
            while not self._ended.wait(_LOOK_S):
                self.look()
        except Exception as problem:  # noqa: BLE001 - the test fails with it
            self._problem = problem
