"""Which load to try next: doubling until a load does not pass, then bisection. Pure."""

from dataclasses import dataclass, field

RESOLUTION = 0.05  # of the largest load that passed


@dataclass
class Bisection:
    """The bounds of the answer: ``passed`` is 0 and ``failed`` is None until they are known.

    Loads are multiples of ``unit``, from ``first`` to ``most``.
    """

    first: int
    most: int
    unit: int = 1
    passed: int = 0
    failed: int | None = None
    _tried: set[int] = field(default_factory=set)

    @property
    def resolution(self) -> int:
        """The difference at which the search ends."""
        return max(self.unit, self._whole(round(self.passed * RESOLUTION)))

    def next(self) -> int | None:
        """Return the load of the next probe; None once the answer is known."""
        if self.failed is None:
            load = self._whole(min(self.passed * 2, self.most)) if self.passed else self.first
            return load if load not in self._tried else None
        if self.failed - self.passed <= self.resolution:
            return None
        load = self._whole((self.passed + self.failed) // 2)
        return load if self.passed < load < self.failed else None

    def record(self, load: int, *, passes: bool) -> None:
        """Record the outcome of a probe."""
        self._tried.add(load)
        if passes:
            self.passed = max(self.passed, load)
        else:
            self.failed = load if self.failed is None else min(self.failed, load)

    def _whole(self, load: int) -> int:
        """Return the load in whole units, at least one."""
        return max(self.unit, load // self.unit * self.unit)
