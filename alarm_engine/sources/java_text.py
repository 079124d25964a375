"""Numbers as Java writes them: value texts are to be those of the Phoebus alarm server."""

from __future__ import annotations

import math
import struct
from decimal import Decimal

_FLOAT = struct.Struct("f")
_LEAST_NORMAL = 2.0**-126


def double_text(value: float) -> str:
    """`Double.toString`: `10.0`, `1.0E-7`, `NaN`, `-Infinity`."""
    text = repr(value)
    if 1e-3 <= abs(value) < 1e7 or value == 0:
        return text  # the same in both languages
    two_digits = f"{value:.1e}"  # Java never writes fewer, Python does: 5e-324 is 4.9E-324
    return _text(value, two_digits if float(two_digits) == value else text)


def float_text(value: float) -> str:
    """`Float.toString` of a value that came as 32 bits: `0.1`, not `0.10000000149011612`."""
    if math.isnan(value) or math.isinf(value):
        return _text(value, "")
    bits = _FLOAT.pack(value)
    # Numbers below the normal ones have fewer digits, though never less than two in Java's eyes.
    for precision in range(6 if abs(value) >= _LEAST_NORMAL else 2, 10):
        digits = f"{value:.{precision}g}"
        if _FLOAT.pack(float(digits)) == bits:
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
