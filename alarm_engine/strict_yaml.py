"""YAML of settings and users: plain values, and a key that stands twice is a fault instead of a silent loss."""

from __future__ import annotations

from typing import Any

import yaml


class _Loader(yaml.SafeLoader):
    """The safe loader, refusing keys that stand twice."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: dict[Any, yaml.Mark] = {}
    for key_node, _ in node.value:
        key = loader.construct_object(key_node, deep=True)
        if isinstance(key, str) and key in seen:
            raise yaml.constructor.ConstructorError(
                "in this mapping", node.start_mark, f"the key {key!r} stands twice, first in line {seen[key].line + 1}", key_node.start_mark
            )
        if isinstance(key, str):
            seen[key] = key_node.start_mark
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def load(text: str) -> Any:
    """The value of a document; raises `yaml.YAMLError`."""
    return yaml.load(text, Loader=_Loader)


def sentence(problem: yaml.YAMLError) -> str:
    """What is wrong with a document, and where, in one line."""
    if not isinstance(problem, yaml.MarkedYAMLError):
        return " ".join(str(problem).split())
    said = ", ".join(part for part in (problem.context, problem.problem) if part)
    hint = "; a tab cannot indent" if r"'\t' that cannot start any token" in said else ""
    mark = problem.problem_mark or problem.context_mark
    return f"{f'line {mark.line + 1}: ' if mark else ''}{said}{hint}"
