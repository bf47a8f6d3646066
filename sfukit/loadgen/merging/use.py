"""The load generators of several shards in one; counts of their outcomes added up. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from sfukit.loadgen.merging import metrics as merge_metrics
from sfukit.loadgen.metrics import usage
from sfukit.loadgen.result.report import (
    EncodingUse,
    Fault,
    FrameDelay,
    RateLimited,
    RelayUse,
    RetriedJoins,
    Saturation,
    SwarmUse,
)

Number = TypeVar("Number", int, float)

_US_PER_S = 1e6
_MOST_NAMES = 256


def generators(parts: Sequence[SwarmUse]) -> SwarmUse:
    """Return the use of all load generators: sums, and the busiest thread of all."""
    received = sum(part.packets_received for part in parts)
    sent = sum(part.packets_sent for part in parts)
    cpu_s = sum(part.cpu_s for part in parts)
    decrypted = sum(part.decrypted * part.packets_received for part in parts)
    return SwarmUse(
        wall_s=max(part.wall_s for part in parts),
        cpu_s=cpu_s,
        rss_bytes=sum(part.rss_bytes for part in parts),
        packets_received=received,
        packets_sent=sent,
        cpu_us_per_packet_in_out=cpu_s * _US_PER_S / (received + sent) if received + sent else None,
        run_queue_wait_s=_total(part.run_queue_wait_s for part in parts),
        busiest_thread=max(part.busiest_thread for part in parts),
        lag_ms=merge_metrics.merged("lag_ms", [part.lag_ms for part in parts]),
        socket_drops=_total(part.socket_drops for part in parts),
        unsent=sum(part.unsent for part in parts),
        decrypted=decrypted / received if received else min(part.decrypted for part in parts),
        ramp_cpu_s=sum(part.ramp_cpu_s for part in parts),
    )


def saturation(parts: Mapping[int, Saturation]) -> Saturation:
    """Return the saturation that limits the verdict most, with the shard of each reason."""
    worst = usage.worst(parts.values())
    of_side = {index: one for index, one in parts.items() if one.side == worst.side}
    return Saturation(
        side=worst.side,
        reasons=[
            f"shard {index}: {text}" for index, one in of_side.items() for text in one.reasons
        ],
        resources=list(dict.fromkeys(kind for one in of_side.values() for kind in one.resources)),
    )


def faults(parts: Iterable[Sequence[Fault]]) -> list[Fault]:
    """Return the faults by code, the most frequent first."""
    found: dict[str, Fault] = {}
    for fault in (fault for part in parts for fault in part):
        earlier = found.get(fault.code)
        if earlier is None and len(found) >= _MOST_NAMES:
            continue
        first, count = (earlier, earlier.count) if earlier is not None else (fault, 0)
        found[fault.code] = Fault(
            code=fault.code, message=first.message, count=count + fault.count, first=first.first
        )
    return sorted(found.values(), key=lambda fault: -fault.count)


def counts(parts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Return counts by name added up."""
    found: Counter[str] = Counter()
    for name, count in (item for part in parts for item in part.items()):
        if name in found or len(found) < _MOST_NAMES:
            found[name] += count
    return dict(found)


def encodings(parts: Sequence[EncodingUse]) -> EncodingUse:
    """Return the encodings of all shards."""
    return EncodingUse(
        published=sum(part.published for part in parts), inactive=sum(p.inactive for p in parts)
    )


def rate_limited(parts: Sequence[RateLimited]) -> RateLimited:
    """Return the requests that the target refused by its rate limit, of all shards."""
    return RateLimited(
        requests=sum(part.requests for part in parts),
        clients=sum(part.clients for part in parts),
        waited_s=sum(part.waited_s for part in parts),
        clients_refused=sum(part.clients_refused for part in parts),
    )


def retried_joins(parts: Sequence[RetriedJoins]) -> RetriedJoins:
    """Return the joins that failed and were tried again, of all shards."""
    return RetriedJoins(
        attempts=sum(part.attempts for part in parts),
        clients=sum(part.clients for part in parts),
        clients_joined=sum(part.clients_joined for part in parts),
        codes=counts(part.codes for part in parts),
    )


def relay(parts: Sequence[RelayUse | None]) -> RelayUse | None:
    """Return the use of the TURN server by all shards; that of the first one is named."""
    known = [part for part in parts if part is not None]
    if not known:
        return None
    return RelayUse(
        uri=known[0].uri,
        protocol=known[0].protocol,
        clients=sum(part.clients for part in known),
        allocations=sum(part.allocations for part in known),
        failures=counts(part.failures for part in known),
    )


def frame_delay(parts: Sequence[FrameDelay | None]) -> FrameDelay | None:
    """Return what frame delays of all shards were measured by."""
    known = [part for part in parts if part is not None]
    if not known:
        return None
    return FrameDelay(
        mode=known[0].mode,
        by_frame_id=sum(part.by_frame_id for part in known),
        by_capture_time=sum(part.by_capture_time for part in known),
        by_barcode=sum(part.by_barcode for part in known),
        sampled_streams=sum(part.sampled_streams for part in known),
        unmeasured=sum(part.unmeasured for part in known),
        reasons=list(dict.fromkeys(one for part in known for one in part.reasons))[:_MOST_NAMES],
    )


def _total(values: Iterable[Number | None]) -> Number | None:
    """Return the sum; None where a value is unknown."""
    known = list(values)
    return None if None in known else sum(value for value in known if value is not None)
