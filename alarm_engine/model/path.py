r"""Paths of the alarm tree: `/config/system/.../pv`.

A `/` inside an element is written `\/`; a backslash itself is not escaped. The rules are those of Phoebus's `AlarmTreePath`.
"""

from __future__ import annotations

import re
from functools import lru_cache

_SEPARATOR = re.compile(r"(?<!\\)/+")
_DIGITS = re.compile(r"(\d+)")


class PathError(ValueError):
    """A text that cannot be an element of a path."""


def split(path: str) -> tuple[str, ...]:
    """Elements of a path, unescaped; repeated slashes count as one."""
    if "\\" not in path and "//" not in path:  # nearly all, and three times as fast
        bare = path.strip("/")
        return tuple(bare.split("/")) if bare else ()
    return tuple(part.replace("\\/", "/") for part in _SEPARATOR.split(path) if part)


def escape(element: str) -> str:
    """An element as it stands in a path; one leading slash is removed."""
    if element.startswith("/"):
        element = element[1:]
        if element.startswith("/"):
            raise PathError(f"{'/' + element!r} begins with more than one slash")
    return element.replace("/", "\\/")


def join(parent: str | None, element: str) -> str:
    """The path of `element` below `parent`, as Phoebus's `makePath` builds it."""
    parent = parent or ""
    if parent and not parent.startswith("/"):
        parent = "/" + parent
    return ("" if parent == "/" else parent) + "/" + escape(element)


def build(elements: tuple[str, ...] | list[str]) -> str:
    """The path of a list of elements."""
    return "/" + "/".join(element.replace("/", "\\/") for element in elements)


def canonical(path: str) -> str:
    """The one spelling of a path: a leading slash, no repeated ones."""
    return build(split(path))


def is_path(text: str) -> bool:
    """True for a text that begins with a slash."""
    return text.startswith("/")


def name(path: str) -> str:
    """The last element; for an alarm that is the name of the PV."""
    elements = split(path)
    return elements[-1] if elements else ""


def parent(path: str) -> str:
    """The path one level up; `/` above the root."""
    return build(split(path)[:-1])


def ancestors(path: str) -> tuple[str, ...]:
    """The paths above, nearest first, ending with the root."""
    elements = split(path)
    if path.startswith("/") and len(path) == sum(map(len, elements)) + len(elements):  # canonical, and nothing in it is escaped
        above, found = path, []
        for element in elements[:0:-1]:
            above = above[: -len(element) - 1]
            found.append(above)
        return tuple(found)
    return tuple(build(elements[:n]) for n in range(len(elements) - 1, 0, -1))


def system(path: str) -> str:
    """Name of the component directly below the root that holds `path`; `""` for the root and alarms directly below it."""
    elements = split(path)
    return elements[1] if len(elements) > 2 else ""


def is_below(path: str, prefix: str) -> bool:
    """True if `path` is `prefix` or lies below it; both canonical."""
    return prefix in (path, "/") or path.startswith(prefix + "/")


def update(path: str | None, modifier: str | None) -> str:
    """A path changed as by `cd`: absolute, `..`, or appended element by element."""
    if not modifier:
        return path if path and path.startswith("/") else "/" + (path or "")
    if modifier.startswith("/"):
        return modifier
    result = path or "/"
    for part in _SEPARATOR.split(modifier):
        if part == "..":
            result = parent(result)
        elif part:
            result = join(result, part.replace("\\/", "/"))
    return result


@lru_cache(maxsize=250_000)
def natural_key(text: str) -> tuple[tuple[int, int, str], ...]:
    """Sort key in which runs of digits compare as numbers: `X:1, X:2, X:10`.

    As texts after their lengths: a run may be longer than any number that Python or JSON takes.
    """
    return tuple(_digits_key(part) if part.isdecimal() else (1, 0, part) for part in _DIGITS.split(text) if part)


def _digits_key(digits: str) -> tuple[int, int, str]:
    digits = digits.lstrip("0")
    return 0, len(digits), digits
