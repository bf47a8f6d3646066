"""Sentences on how a load test was made: the relay of its media, retried joins, frame timing."""

from sfukit import gates
from sfukit.loadgen.reports import sentences
from sfukit.loadgen.result.report import FrameDelay, LoadtestReport, Metric, RelayUse

_MOST_REASONS = 4


def rows(report: LoadtestReport) -> list[tuple[str, str]]:
    """Return what applies to a run, each with its name."""
    found = [("relay", relay_of(report)), ("retries", retries(report))]
    found += [("frame delay", one) for one in frame_delay(report.frame_delay)]
    return [(name, text) for name, text in found if text]


def relay(use: RelayUse | None, allocated: Metric | None, clients: int) -> str:
    """Return the TURN server and its allocations; empty without one."""
    if use is None:
        return ""
    took = f" (p95 {gates.show(allocated.p95, 'ms')})" if allocated and allocated.count else ""
    some = f", for {use.clients} of {clients} clients" if use.clients < clients else ""
    failed = ", ".join(f"{count} x {code}" for code, count in use.failures.items())
    return (
        f"{use.uri} by {use.protocol}: {_counted(use.allocations, 'allocation')}{took}{some}"
        f"{f', failed: {failed}' if failed else ''}"
    )


def relay_of(report: LoadtestReport) -> str:
    """Return the TURN server of a load test; empty without one."""
    allocated = report.metrics.get("turn_allocate_ms")
    return relay(report.relay, allocated, sentences.load(report).clients)


def retries(report: LoadtestReport) -> str:
    """Return the joins that were tried again, by cause; empty without any."""
    retried = report.retried_joins
    if not retried.attempts:
        return ""
    codes = ", ".join(f"{count} x {code}" for code, count in retried.codes.items())
    return (
        f"{_counted(retried.attempts, 'join')} of {_counted(retried.clients, 'client')} failed and "
        f"were tried again ({codes}); {_counted(retried.clients_joined, 'client')} joined"
    )


def frame_delay(use: FrameDelay | None) -> list[str]:
    """Return what frame delays were measured by, then why others are unknown."""
    if use is None:
        return []
    methods = [
        f"{name} ({count:,} frames)"
        for name, count in (
            ("frame id", use.by_frame_id),
            ("abs-capture-time", use.by_capture_time),
            (f"barcode in {_counted(use.sampled_streams, 'sampled stream')}", use.by_barcode),
        )
        if count
    ]
    known = [f"measured by {' and '.join(methods)}"] if methods else []
    unknown = [
        reason if reason.startswith("not measured") else f"unknown: {reason}"
        for reason in use.reasons[:_MOST_REASONS]
    ]
    more = len(use.reasons) - _MOST_REASONS
    return [*known, *unknown, *([f"unknown: {more} more reasons"] if more > 0 else [])]


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'s' if count != 1 else ''}"


def notable(use: FrameDelay | None) -> bool:
    """Return whether frame delays were not all measured as usual."""
    return use is not None and (use.mode != "auto" or bool(use.reasons))
