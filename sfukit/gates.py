"""Gates: bounds on metrics that decide a verdict, ``PATH OP VALUE[unit]``.

PATH is the path in the JSON of the command, without ``metrics.``; all commands share the grammar.
A scope after the name of a metric restricts it: ``e2e_frame_ms[room=room-3].p95``.
"""

import difflib
import operator
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Literal, NamedTuple

import msgspec

from sfukit import units
from sfukit.errors import UsageError

Operator = Literal["<", "<=", ">", ">=", "==", "!="]
Value = float | str | None

TEXT = "text"  # the unit of textual values

_GATE = re.compile(
    r"\s*([A-Za-z_][\w.]*(?:\[[^\]]*\][\w.]*)?)\s*(<=|>=|==|!=|<|>)\s*(\S(?:.*\S)?)\s*"
)
_EXAMPLE = "give 'PATH OP VALUE', such as 'e2e_frame_ms.p95 < 200'"
_COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


class Scope(NamedTuple):
    """The part of a run that a gate is about: a room or a group by name."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}={self.name}"


class Gate(msgspec.Struct, frozen=True):
    """One bound: the value at ``path``, in ``unit``, compared by ``op`` with ``bound``.

    ``path`` includes the scope. ``bound`` is None where the figure that it derives from is
    unknown; ``note`` says what it derives from.
    """

    path: str
    op: Operator
    bound: float | str | None
    unit: str
    default: bool = False
    scope: Scope | None = None
    note: str = ""

    def __str__(self) -> str:
        note = f" ({self.note})" if self.note else ""
        return f"{self.path} {self.op} {show(self.bound, self.unit)}{note}"


class GateResult(msgspec.Struct, frozen=True, kw_only=True):
    """A gate with its value; ``ok`` is None where the value is unknown."""

    gate: str
    path: str
    op: Operator
    bound: float | str | None
    unit: str
    value: Value
    ok: bool | None
    default: bool


def parse(
    text: str,
    catalogue: Mapping[str, str],
    *,
    words: Mapping[str, Collection[str]] | None = None,
    scopes: Mapping[str, Collection[str]] | None = None,
    default: bool = False,
) -> Gate:
    """Parse a gate; ``catalogue`` has the units of the known paths.

    ``words`` has the allowed values of textual paths; a path that is absent allows any. ``scopes``
    has the kinds of scopes, each with the metrics that it applies to.
    """
    match = _GATE.fullmatch(text)
    if match is None:
        raise UsageError(f"-T {text!r}: not a gate", hint=_EXAMPLE)
    whole, op, value = match[1].removeprefix("metrics."), match[2], match[3]
    path, scope = _without_scope(text, whole, scopes or {})
    unit = catalogue.get(path)
    if unit is None:
        raise UsageError(f"-T {text!r}: no metric {path}", hint=_near(path, catalogue))
    if unit == TEXT and op not in ("==", "!="):
        raise UsageError(f"-T {text!r}: {path} is text, which has no order", hint="use == or !=")
    known = (words or {}).get(path)
    if known is not None and value not in known:
        raise UsageError(f"-T {text!r}: {path} is never {value}", hint=f"one of {', '.join(known)}")
    bound = value if unit == TEXT else units.convert(value, unit, f"-T {text!r}")
    return Gate(whole, msgspec.convert(op, Operator), bound, unit, default, scope)


def _without_scope(
    text: str, path: str, scopes: Mapping[str, Collection[str]]
) -> tuple[str, Scope | None]:
    """Return the path of all clients, and the scope; refuse scopes that do not apply."""
    name, bracket, rest = path.partition("[")
    if not bracket:
        return path, None
    inside, _, aggregate = rest.partition("]")
    kind, equals, value = (part.strip() for part in inside.partition("="))
    if not scopes:
        raise UsageError(f"-T {text!r}: this command has no scopes", hint=f"give {name}{aggregate}")
    if kind not in scopes or not equals or not value:
        known = " or ".join(f"[{kind}=NAME]" for kind in scopes)
        raise UsageError(f"-T {text!r}: [{inside}] is not a scope", hint=f"give {known}")
    if name not in scopes[kind]:
        raise UsageError(
            f"-T {text!r}: {name} is measured over all clients",
            hint=f"by {kind}: {', '.join(scopes[kind])}",
        )
    return f"{name}{aggregate}", Scope(kind, value)


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
        case _, "score":
            return f"{value:.3g}"
        case _, "bytes":
            return units.show_size(value)
        case _:
            return (
                f"{value:,.3g} {unit}".rstrip() if value < 1000 else f"{value:,.0f} {unit}".rstrip()
            )


def _judge(gate: Gate, value: Value) -> GateResult:
    ok = None if value is None or gate.bound is None else _holds(gate, value, gate.bound)
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


def _holds(gate: Gate, value: float | str, bound: float | str) -> bool:
    if isinstance(value, str) or isinstance(bound, str):
        return (str(value) == str(bound)) == (gate.op == "==")
    return _COMPARE[gate.op](value, bound)


def _near(path: str, catalogue: Mapping[str, str]) -> str:
    nearest = difflib.get_close_matches(path, catalogue, n=3, cutoff=0.0)
    return f"nearest: {', '.join(nearest)}"
