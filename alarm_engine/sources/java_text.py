"""Numbers as Java writes them: value texts are to be those of the Phoebus alarm server."""

from __future__ import annotations

import math
import struct
from decimal import Decimal


def double_text(value: float) -> str:
    """`Double.toString`: `10.0`, `1.0E-7`, `NaN`, `-Infinity`."""
    return _text(value, repr(value))


def float_text(value: float) -> str:
    """`Float.toString` of a value that came as 32 bits: `0.1`, not `0.10000000149011612`."""
    if math.isnan(value) or math.isinf(value):
        return _text(value, "")
    for precision in range(6, 10):
        digits = f"{value:.{precision}g}"
        if struct.pack("f", float(digits)) == struct.pack("f", value):
            break
    return _text(value, digits)


def _text(value: float, shortest: str) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    sign, digits, exponent = Decimal(shortest).as_tuple()
    assert isinstance(exponent, int)
    text = "".join(map(str, digits)).rstrip("0") or "0"
    exponent += len(digits) - 1 if text != "0" else 0
    minus = "-" if sign else ""
    if text == "0":
        return minus + "0.0"
    if -3 <= exponent < 7:
        if exponent < 0:
            return f"{minus}0.{'0' * (-exponent - 1)}{text}"
        whole, fraction = text[: exponent + 1].ljust(exponent + 1, "0"), text[exponent + 1 :]
        return f"{minus}{whole}.{fraction or '0'}"
    return f"{minus}{text[0]}.{text[1:] or '0'}E{exponent}"
