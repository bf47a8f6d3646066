"""Port prediction: estimators over the last five ports, against several allocators."""

import zlib
from collections.abc import Callable, Mapping

import msgspec
import numpy as np

from sfukit.probe.natlab.interval import wilson
from sfukit.probe.natlab.side import LOWEST_PORT, PORTS, SAMPLES, Ports, as_port

Estimator = Callable[[Ports], Ports]

BLOCK = 512  # ports of one subscriber's block behind a carrier's NAT


class Predicted(msgspec.Struct, frozen=True, kw_only=True):
    """One estimator on one allocator: shares 0..1 of exact hits and of hits within 16 ports.

    ``best`` is the upper bound of any estimator: the probability of the likeliest next port.
    """

    allocator: str
    estimator: str
    exact: float
    exact_low: float
    exact_high: float
    within_16: float
    best: float


def last_delta(ports: Ports) -> Ports:
    """Add the last step."""
    following: Ports = ports[:, -1] + (ports[:, -1] - ports[:, -2])
    return following


def median_delta(ports: Ports) -> Ports:
    """Add the median step."""
    return ports[:, -1] + np.median(np.diff(ports, axis=1), axis=1).astype(np.int64)


def least_delta(ports: Ports) -> Ports:
    """Add the least step: larger ones contain ports of other hosts."""
    steps = np.diff(ports, axis=1)
    least = np.take_along_axis(steps, np.abs(steps).argmin(axis=1)[:, None], axis=1)
    following: Ports = ports[:, -1] + least[:, 0]
    return following


def linear_fit(ports: Ports) -> Ports:
    """Draw the line of least squares through them, one step further."""
    times = np.arange(ports.shape[1]) - (ports.shape[1] - 1) / 2
    slope = (ports * times).sum(axis=1) / (times**2).sum()
    ahead = (ports.shape[1] + 1) / 2
    following: Ports = np.rint(ports.mean(axis=1) + slope * ahead).astype(np.int64)
    return following


ESTIMATORS: Mapping[str, Estimator] = {
    "last delta": last_delta,
    "median delta": median_delta,
    "least delta": least_delta,
    "linear fit": linear_fit,
}


def score(allocator: str, runs: int, seed: int) -> list[Predicted]:
    """Score every estimator on the sixth port of ``runs`` hosts."""
    return _scores(allocator, ALLOCATORS[allocator], runs, seed)


def score_sequential(others: float, runs: int, seed: int) -> list[Predicted]:
    """Score a sequential allocator with ``others`` mappings of other hosts between two."""
    return _scores(f"in a row, {others:g} others between", _sequential(others), runs, seed)


def _scores(name: str, allocate: "Allocator", runs: int, seed: int) -> list[Predicted]:
    numbers, best = allocate(runs, np.random.default_rng([seed, zlib.crc32(name.encode())]))
    seen, following = numbers[:, :SAMPLES], numbers[:, SAMPLES]
    scores = []
    for estimator, estimate in ESTIMATORS.items():
        ahead = (following - estimate(seen)) % PORTS
        exact = int((ahead == 0).sum())
        low, high = wilson(exact, runs)
        scores.append(
            Predicted(
                allocator=name,
                estimator=estimator,
                exact=exact / runs,
                exact_low=low,
                exact_high=high,
                within_16=float((ahead < 16).mean()),
                best=best,
            )
        )
    return scores


Allocated = tuple[Ports, float]
Allocator = Callable[[int, np.random.Generator], Allocated]


def _sequential(others: float) -> Allocator:
    """Allocate sequentially; ``others`` mappings of other hosts between two, on average."""

    def allocate(runs: int, rng: np.random.Generator) -> Allocated:
        start = rng.integers(LOWEST_PORT, 65536 - 4096, (runs, 1))
        steps = 1 + rng.poisson(others, (runs, SAMPLES + 1))
        return start + np.cumsum(steps, axis=1), _likeliest(others)

    return allocate


def _in_block(runs: int, rng: np.random.Generator) -> Allocated:
    start = rng.integers(0, PORTS // BLOCK, (runs, 1)) * BLOCK + LOWEST_PORT
    return start + rng.integers(0, BLOCK, (runs, SAMPLES + 1)), 1 / BLOCK


def _anywhere(runs: int, rng: np.random.Generator) -> Allocated:
    return as_port(rng.integers(0, PORTS, (runs, SAMPLES + 1))), 1 / PORTS


def _likeliest(mean: float) -> float:
    """Return the probability of the likeliest count of a Poisson process."""
    count = int(mean)
    return float(np.exp(count * np.log(mean) - mean) / _factorial(count)) if mean else 1.0


def _factorial(count: int) -> float:
    return float(np.prod(np.arange(1, count + 1)))


ALLOCATORS: Mapping[str, Allocator] = {
    "in a row, alone": _sequential(0.0),
    "in a row, 0.1 others between": _sequential(0.1),
    "in a row, 0.3 others between": _sequential(0.3),
    "in a row, 1 other between": _sequential(1.0),
    "in a row, 5 others between": _sequential(5.0),
    "random in a block of 512": _in_block,
    "random": _anywhere,
}
