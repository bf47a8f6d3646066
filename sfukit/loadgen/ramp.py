"""The arrival curve of the joins."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Ramp:
    """Joins at a constant rate: the first at 0, the last at ``span_s``."""

    per_s: float
    total: int

    def due(self, elapsed_s: float) -> int:
        """Return the number of joins due ``elapsed_s`` after the start."""
        if elapsed_s < 0:
            return 0
        # the tiny addend keeps 0.3 * 10 from being 2.9999999999999996
        return min(self.total, int(elapsed_s * self.per_s + 1e-9) + 1)

    def due_s(self, index: int) -> float:
        """Return when the join with this index is due, in seconds after the start."""
        return index / self.per_s

    @property
    def span_s(self) -> float:
        """The time from the first join to the last."""
        return self.due_s(max(0, self.total - 1))
