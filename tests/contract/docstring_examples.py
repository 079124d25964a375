"""Examples of docstrings that await: what `doctest` does, with `await`, `async for` and `async with` outside of functions."""

from __future__ import annotations

import ast
import contextlib
import doctest
import inspect
import io
from typing import Any

_CHECKER = doctest.OutputChecker()


async def run_examples(text: str, names: dict[str, Any], where: str) -> int:
    """Run them one after the other in this loop, with these names; returns how many. `AssertionError` for an answer that is another one."""
    examples = doctest.DocTestParser().get_examples(text)
    for example in examples:
        told = io.StringIO()
        options = doctest.NORMALIZE_WHITESPACE | sum(flag for flag, is_on in example.options.items() if is_on)
        code = compile(example.source, where, "single", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        try:
            with contextlib.redirect_stdout(told):
                found = eval(code, names)
                if inspect.iscoroutine(found):
                    await found
        except Exception as problem:  # noqa: BLE001 - an example may show any
            wanted = (example.exc_msg or "").strip()
            said = f"{type(problem).__module__}.{type(problem).__qualname__}: {problem}"
            assert wanted, f"{where}: {example.source}raised {said}"
            assert said.endswith(wanted) or said.startswith(wanted), f"{where}: {example.source}raised {said}, not {wanted}"
            continue
        assert example.exc_msg is None, f"{where}: {example.source}raised nothing"
        said = told.getvalue()
        assert _CHECKER.check_output(example.want, said, options), f"{where}: {example.source}gave {said}not {example.want}"
    return len(examples)
