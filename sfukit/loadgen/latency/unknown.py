"""Why a metric has no value: the evidence of the reports that were sent and received."""

from collections.abc import Mapping

from sfukit.loadgen.latency.received import total, video_streams
from sfukit.loadgen.metrics.figures import Figures, TransportFigures
from sfukit.loadgen.result.report import Metric

_ELSEWHERE = "the {end} runs in another process, whose report has it"


def reasons(
    metrics: Mapping[str, Metric],
    last: Figures | None,
    publisher: int | None,
    subscriber: int | None,
) -> dict[str, str]:
    """Return the reason for each metric without values."""
    missing = [name for name, metric in metrics.items() if metric.avg is None]
    if last is None:
        return dict.fromkeys(missing, "the run ended before the measured window")
    return {name: _reason(name, last, publisher, subscriber) for name in missing}


def _reason(name: str, last: Figures, publisher: int | None, subscriber: int | None) -> str:
    if name in ("rtt_pub_ms", "bitrate_out"):
        return _publisher_reason(name, last, publisher)
    if subscriber is None:
        return _ELSEWHERE.format(end="subscriber")
    if name == "rtt_sub_ms":
        return _rtt_sub_reason([one for one in last.transports if one.bot == subscriber])
    if name == "sfu_residence_ms":
        return "needs frame delay and both round trips"
    frames = total(video_streams(last, subscriber), "frames")
    if frames and name.startswith("e2e_"):
        return (
            f"none of {frames} received frames has the frame id of a bot: "
            "the target re-encodes video, or removes trailing data of a frame"
        )
    return "no video was received within the window"


def _publisher_reason(name: str, last: Figures, publisher: int | None) -> str:
    if publisher is None and name == "rtt_pub_ms":
        return "the publisher's end measured no round trip"
    if publisher is None:
        return _ELSEWHERE.format(end="publisher")
    if name == "bitrate_out":
        return "the window was too short"
    blocks = sum(one.report_blocks_received for one in last.transports if one.bot == publisher)
    if not blocks:
        return "the target sent no report block on the publisher's stream (RFC 3550 6.4)"
    return f"none of {blocks} report blocks echoed a sender report within the window (LSR, DLSR)"


def _rtt_sub_reason(transports: list[TransportFigures]) -> str:
    sent = sum(one.reference_times_sent for one in transports)
    if not sent:
        return "the subscriber sent no receiver reference time before the end of the window"
    return (
        f"the target answered none of {sent} receiver reference times (RRTR; RFC 3611 4.4, 4.5): "
        "it does not implement DLRR"
    )
