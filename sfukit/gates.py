"""Gates: bounds on metrics that decide a verdict, ``PATH OP VALUE[unit]``.

PATH is the path in the JSON of the command, without ``metrics.``; all commands share the grammar.
"""

import difflib
import operator
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Literal

import msgspec

from sfukit import units
from sfukit.errors import UsageError

Operator = Literal["<", "<=", ">", ">=", "==", "!="]
Value = float | str | None

TEXT = "text"  # the unit of textual values

_GATE = re.compile(r"\s*([A-Za-z_][\w.]*)\s*(<=|>=|==|!=|<|>)\s*(\S(?:.*\S)?)\s*")
_EXAMPLE = "give 'PATH OP VALUE', such as 'e2e_frame_ms.p95 < 200'"
_COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


class Gate(msgspec.Struct, frozen=True):
    """One bound: the value at ``path``, in ``unit``, compared by ``op`` with ``bound``."""

    path: str
    op: Operator
    bound: float | str
    unit: str
    default: bool = False

    def __str__(self) -> str:
        return f"{self.path} {self.op} {show(self.bound, self.unit)}"


class GateResult(msgspec.Struct, frozen=True, kw_only=True):
    """A gate with its value; ``ok`` is None where the value is unknown."""

    gate: str
    path: str
    op: Operator
    bound: float | str
    unit: str
    value: Value
    ok: bool | None
    default: bool


def parse(
    text: str,
    catalogue: Mapping[str, str],
    *,
    words: Mapping[str, Collection[str]] | None = None,
    default: bool = False,
) -> Gate:
    """Parse a gate; ``catalogue`` has the units of the known paths.

    ``words`` has the allowed values of textual paths; a path that is absent allows any.
    """
    match = _GATE.fullmatch(text)
    if match is None:
        raise UsageError(f"-T {text!r}: not a gate", hint=_EXAMPLE)
    path, op, value = match[1].removeprefix("metrics."), match[2], match[3]
    unit = catalogue.get(path)
    if unit is None:
        raise UsageError(f"-T {text!r}: no metric {path}", hint=_near(path, catalogue))
    if unit == TEXT and op not in ("==", "!="):
        raise UsageError(f"-T {text!r}: {path} is text, which has no order", hint="use == or !=")
    known = (words or {}).get(path)
    if known is not None and value not in known:
        raise UsageError(f"-T {text!r}: {path} is never {value}", hint=f"one of {', '.join(known)}")
    bound = value if unit == TEXT else units.convert(value, unit, f"-T {text!r}")
    return Gate(path, msgspec.convert(op, Operator), bound, unit, default)


def judge(gates: Iterable[Gate], figures: Mapping[str, Value]) -> list[GateResult]:
    """Return each gate with its value and result."""
    return [_judge(gate, figures.get(gate.path)) for gate in gates]


def show(value: Value, unit: str) -> str:
    """Return a value with its unit, rounded for display."""
    match value, unit:
        case None, _:
            return "unknown"
        case str(), _:
            return value
        case _, "ratio":
            return f"{value * 100:.3g} %"
        case _, "ms":
            digits = 2 if value < 1 else 1 if value < 10 else 0
            return f"{value:,.{digits}f} ms"
        case _, "bit/s":
            return units.show_bitrate(value)
        case _, "bytes":
            return units.show_size(value)
        case _:
            return (
                f"{value:,.3g} {unit}".rstrip() if value < 1000 else f"{value:,.0f} {unit}".rstrip()
            )


def _judge(gate: Gate, value: Value) -> GateResult:
    ok = None if value is None else _holds(gate, value)
    return GateResult(
        gate=str(gate),
        path=gate.path,
        op=gate.op,
        bound=gate.bound,
        unit=gate.unit,
        value=value,
        ok=ok,
        default=gate.default,
    )


def _holds(gate: Gate, value: float | str) -> bool:
    if isinstance(value, str) or isinstance(gate.bound, str):
        return (str(value) == str(gate.bound)) == (gate.op == "==")
    return _COMPARE[gate.op](value, gate.bound)


def _near(path: str, catalogue: Mapping[str, str]) -> str:
    nearest = difflib.get_close_matches(path, catalogue, n=3, cutoff=0.0)
    return f"nearest: {', '.join(nearest)}"
