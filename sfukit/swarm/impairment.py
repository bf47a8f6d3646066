"""The network between a bot and the SFU, written as ``rate=2M,delay=50ms,loss=3%,burst=4``."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from sfukit import units
from sfukit.errors import UsageError

_QUEUE_MS = 300.0  # RFC 8867 section 4: the default tail-drop queue
_MAX_BURST = 1_000.0  # datagrams
_MAX_SHARED = 1_000_000
_KEYS = "rate, queue, shared, delay, jitter, loss, burst, reorder, duplicate"
_GRAMMAR = "give KEY=VALUE,...: rate=2M,queue=300ms,delay=50ms,jitter=10ms,loss=1%,burst=4"


class GilbertElliott(msgspec.Struct, frozen=True):
    """Burst loss: two states, each with its own probability of delivery.

    ``p`` good to bad, ``r`` bad to good, ``h`` delivery in the bad state, ``k`` in the good state.
    """

    p: float
    r: float
    h: float = 0.0
    k: float = 1.0

    @property
    def mean_loss(self) -> float:
        """The mean loss ratio: [(1-k)r + (1-h)p] / (p+r)."""
        return ((1 - self.k) * self.r + (1 - self.h) * self.p) / (self.p + self.r)


class Path(msgspec.Struct, frozen=True, kw_only=True):
    """One direction of a network; a parameter of zero or None impairs nothing."""

    rate_bps: int | None = None
    queue_ms: float = _QUEUE_MS
    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    loss: float = 0.0
    bursts: GilbertElliott | None = None
    reorder: float = 0.0
    duplicate: float = 0.0


class Impairment(Path, frozen=True, kw_only=True):
    """One direction of one bot's network.

    ``shared`` bots are behind one bottleneck: rate and queue are those of all of them together.
    """

    shared: int | None = None

    @property
    def mean_loss(self) -> float:
        """The mean loss ratio, of either kind."""
        return self.loss if self.bursts is None else self.bursts.mean_loss


def parse(text: str, where: str, base: Impairment | None = None) -> Impairment:
    """Parse the impairment of one direction; raise ``UsageError`` naming the faulty part.

    Keys that are absent keep the value of ``base``, such as a preset.
    """
    values: dict[str, str] = {}
    for key, value in _pairs(text, where):
        if key in values:
            raise UsageError(f"{where}: {key} is given twice", hint=_GRAMMAR)
        values[key] = value
    base = base or Impairment()
    changes: dict[str, Any] = {
        field: read(values[key], f"{where}: {key}")
        for key, (field, read) in _FIELDS.items()
        if key in values
    }
    changes |= _losses(values, where, base)
    changed = msgspec.structs.replace(base, **changes)
    for key in ("queue", "shared"):
        if key in values and changed.rate_bps is None:
            reason = "a queue" if key == "queue" else "shared"
            raise UsageError(f"{where}: {reason} without a rate never fills", hint="add rate=2M")
    return changed


def _count(text: str, where: str) -> int:
    if not text.isdecimal() or not 2 <= int(text) <= _MAX_SHARED:
        raise UsageError(
            f"{where}={text}: no number of bots behind one queue", hint="give 2 or more: shared=5"
        )
    return int(text)


_FIELDS: Mapping[str, tuple[str, Callable[[str, str], object]]] = {
    "rate": ("rate_bps", units.bitrate_bps),
    "queue": ("queue_ms", units.duration_ms),
    "shared": ("shared", _count),
    "delay": ("delay_ms", units.duration_ms),
    "jitter": ("jitter_ms", units.duration_ms),
    "reorder": ("reorder", units.ratio),
    "duplicate": ("duplicate", units.ratio),
}


def bursts(mean_loss: float, mean_length: float) -> GilbertElliott:
    """Return the model with this mean loss and this mean number of datagrams lost in a row.

    All is lost in the bad state and nothing in the good one (Gilbert): the length is 1/r and the
    loss p/(p+r). The loss has to be at most length/(length + 1), where p is 1.
    """
    r = 1 / mean_length
    return GilbertElliott(p=min(1.0, r * mean_loss / (1 - mean_loss)), r=r)


def _losses(values: Mapping[str, str], where: str, base: Impairment) -> dict[str, Any]:
    """Return the loss, random or in bursts; ``burst`` alone keeps the mean loss of ``base``."""
    loss, burst = values.get("loss"), values.get("burst")
    if loss is not None and loss.startswith("ge:"):
        if burst is not None:
            raise UsageError(
                f"{where}: burst contradicts loss=ge:, whose bursts are 1/R long",
                hint="give loss=3%,burst=4 or loss=ge:P,R",
            )
        return {"loss": 0.0, "bursts": _gilbert_elliott(loss, where)}
    if burst is None:
        return {} if loss is None else {"loss": units.ratio(loss, f"{where}: loss"), "bursts": None}
    mean = base.mean_loss if loss is None else units.ratio(loss, f"{where}: loss")
    return {"loss": 0.0, "bursts": _solved(mean, burst, where)}


def _solved(mean: float, burst: str, where: str) -> GilbertElliott:
    """Return the model of ``loss=...,burst=...``."""
    length = units.number(burst, f"{where}: burst", "a mean length in packets such as 4")
    if not 1 <= length <= _MAX_BURST:
        raise UsageError(
            f"{where}: burst={burst} is out of range", hint=f"give 1 to {_MAX_BURST:,.0f} packets"
        )
    if mean == 0:
        raise UsageError(f"{where}: burst without a loss", hint=f"add loss: loss=3%,burst={burst}")
    if mean > length / (length + 1):
        highest = f"{length / (length + 1):.1%}"
        raise UsageError(
            f"{where}: a loss of {mean:.4g} in bursts of {length:g} does not exist",
            hint=f"between bursts one packet arrives: loss up to {highest}, or a longer burst",
        )
    return bursts(mean, length)


def _pairs(text: str, where: str) -> Iterator[tuple[str, str]]:
    """Split at the commas before a key; the commas inside ``ge:p,r,h,k`` belong to its value."""
    pairs: list[list[str]] = []
    for part in text.split(","):
        key, equals, value = part.partition("=")
        if equals:
            pairs.append([key.strip(), value.strip()])
        elif pairs and pairs[-1][1].startswith("ge:"):
            pairs[-1][1] += f",{part.strip()}"
        else:
            raise UsageError(f"{where}: {part!r} has no value", hint=_GRAMMAR)
    for key, value in pairs:
        if key not in _KEYS.split(", "):
            raise UsageError(f"{where}: nothing is called {key!r}", hint=f"there is: {_KEYS}")
        yield key, value


def _gilbert_elliott(text: str, where: str) -> GilbertElliott:
    parts = text.removeprefix("ge:").split(",")
    if not 2 <= len(parts) <= 4:
        raise UsageError(f"{where}: loss={text} needs 2 to 4 numbers", hint="loss=ge:P,R[,H[,K]]")
    model = GilbertElliott(*(units.ratio(part, f"{where}: loss") for part in parts))
    if model.p + model.r == 0:
        raise UsageError(f"{where}: loss={text} never changes state", hint="give P and R above 0")
    return model
