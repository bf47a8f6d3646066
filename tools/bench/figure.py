"""One measured figure, and whether it is where it has to be."""

import operator
from collections.abc import Callable, Mapping
from typing import Literal

import msgspec

from sfukit import gates

Operator = Literal["<=", "<", ">=", "=="]
Value = float | str | None

_COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    "<": operator.lt,
    ">=": operator.ge,
}


class Reach(msgspec.Struct, frozen=True):
    """The bound of a figure, in its unit."""

    op: Operator
    bound: float | str


class Figure(msgspec.Struct, frozen=True):
    """A figure; without a reach it is told for comparison, and None means that it is unknown."""

    name: str
    value: Value
    unit: str = ""
    reach: Reach | None = None

    @property
    def met(self) -> bool | None:
        """Whether the reach is met; what is unknown is not, and without a reach there is None."""
        if self.reach is None:
            return None
        if self.value is None:
            return False
        if self.reach.op == "==":
            return self.value == self.reach.bound
        if isinstance(self.value, str) or isinstance(self.reach.bound, str):
            raise TypeError(f"{self.name}: words have no order")
        return _COMPARE[self.reach.op](self.value, self.reach.bound)

    @property
    def measured_text(self) -> str:
        """Write the value as a person would."""
        return gates.show(self.value, self.unit)

    @property
    def reach_text(self) -> str:
        """Write the bound as a person would."""
        if self.reach is None:
            return ""
        return f"{self.reach.op} {gates.show(self.reach.bound, self.unit)}"


def at_most(bound: float) -> Reach:
    """Demand a value up to a bound."""
    return Reach("<=", bound)


def at_least(bound: float) -> Reach:
    """Demand a value from a bound on."""
    return Reach(">=", bound)


def below(bound: float) -> Reach:
    """Demand a value under a bound."""
    return Reach("<", bound)


def exactly(bound: float | str) -> Reach:
    """Demand one value."""
    return Reach("==", bound)


def ratio(part: float | None, whole: float | None) -> float | None:
    """Divide; None where either is unknown or there is nothing to divide by."""
    return part / whole if part is not None and whole else None


def worst(values: list[float | None]) -> float | None:
    """Take the largest; None as soon as one is unknown."""
    known = [value for value in values if value is not None]
    return max(known) if known and len(known) == len(values) else None
