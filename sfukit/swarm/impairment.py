"""The network between a bot and the SFU, written as ``rate=2M,delay=50ms,loss=1%``."""

from collections.abc import Iterator

import msgspec

from sfukit import units
from sfukit.errors import UsageError

_QUEUE_MS = 300.0  # RFC 8867 section 4: the default tail-drop queue
_KEYS = "rate, queue, delay, jitter, loss, reorder, duplicate"
_GRAMMAR = "give KEY=VALUE,...: rate=2M,queue=300ms,delay=50ms,jitter=10ms,loss=1%|ge:P,R,H,K"


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


class Impairment(msgspec.Struct, frozen=True, kw_only=True):
    """One direction of one bot's network; a parameter of zero or None impairs nothing."""

    rate_bps: int | None = None
    queue_ms: float = _QUEUE_MS
    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    loss: float = 0.0
    bursts: GilbertElliott | None = None
    reorder: float = 0.0
    duplicate: float = 0.0


def parse(text: str, where: str) -> Impairment:
    """Parse the impairment of one direction; raise ``UsageError`` naming the faulty part."""
    values: dict[str, str] = {}
    for key, value in _pairs(text, where):
        if key in values:
            raise UsageError(f"{where}: {key} is given twice", hint=_GRAMMAR)
        values[key] = value
    rate, loss = values.get("rate"), values.get("loss", "0")
    if "queue" in values and rate is None:
        raise UsageError(f"{where}: a queue without a rate never fills", hint="add rate=2M")
    bursts = _bursts(loss, where) if loss.startswith("ge:") else None
    return Impairment(
        rate_bps=None if rate is None else units.bitrate_bps(rate, f"{where}: rate"),
        queue_ms=units.duration_ms(values.get("queue", f"{_QUEUE_MS}"), f"{where}: queue"),
        delay_ms=units.duration_ms(values.get("delay", "0"), f"{where}: delay"),
        jitter_ms=units.duration_ms(values.get("jitter", "0"), f"{where}: jitter"),
        loss=0.0 if bursts else units.ratio(loss, f"{where}: loss"),
        bursts=bursts,
        reorder=units.ratio(values.get("reorder", "0"), f"{where}: reorder"),
        duplicate=units.ratio(values.get("duplicate", "0"), f"{where}: duplicate"),
    )


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


def _bursts(text: str, where: str) -> GilbertElliott:
    parts = text.removeprefix("ge:").split(",")
    if not 2 <= len(parts) <= 4:
        raise UsageError(f"{where}: loss={text} needs 2 to 4 numbers", hint="loss=ge:P,R[,H[,K]]")
    model = GilbertElliott(*(units.ratio(part, f"{where}: loss") for part in parts))
    if model.p + model.r == 0:
        raise UsageError(f"{where}: loss={text} never changes state", hint="give P and R above 0")
    return model
