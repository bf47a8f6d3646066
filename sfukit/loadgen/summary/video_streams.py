"""The received video streams of a report, with their encodings over time."""

from collections import defaultdict
from collections.abc import Sequence

from sfukit.loadgen.metrics.figures import StreamFigures
from sfukit.loadgen.metrics.ledger import Ledger
from sfukit.loadgen.metrics.measured import WindowResult
from sfukit.loadgen.result.paths import (
    MOST_ENCODING_CHANGES,
    MOST_VIDEO_STREAMS,
    EncodingChange,
    VideoStream,
)
from sfukit.loadgen.scenario import Plan

_NS_PER_S = 1e9
_NS_PER_MS = 1e6
_Encodings = Sequence[tuple[int, int]]


def video_streams(
    plan: Plan, ledger: Ledger, window: WindowResult, start_ns: int
) -> list[VideoStream]:
    """Return the video streams of a window: those of impaired clients first, at most 100."""
    figures = [one for one in window.figures.streams if one.kind == "video"]
    figures.sort(key=lambda one: not plan.bots[one.bot - 1].impaired)
    found = []
    for one in figures[:MOST_VIDEO_STREAMS]:
        bot = plan.bots[one.bot - 1]
        first_ns = ledger.first_frame_ns.get(one.stream)
        encodings = ledger.encodings(one.stream)
        end_ns = _end_ns(one, first_ns, window)
        found.append(
            VideoStream(
                room=plan.rooms[bot.room].label,
                client=bot.name,
                source=one.source,
                impaired=bot.impaired,
                first_frame_s=None if first_ns is None else _seconds(first_ns, start_ns),
                end_s=None if end_ns is None else _seconds(end_ns, start_ns),
                encodings=[
                    EncodingChange(at_s=_seconds(at_ns, start_ns), encoding=_name(plan, encoding))
                    for at_ns, encoding in encodings[: MOST_ENCODING_CHANGES + 1]
                ],
                encoding_shares={
                    _name(plan, encoding): share
                    for encoding, share in shares(
                        encodings, window.bounds_ns[0], end_ns or window.bounds_ns[1]
                    ).items()
                },
                layer_switches=ledger.changes_within(one.stream, *window.bounds_ns),
                freeze_est=_ratio(one.frozen_ms, one.playing_ms),
                longest_gap_ms=one.longest_gap_ms,
                loss_raw=_ratio(one.packets_lost_raw, one.packets_expected),
                loss_after_rtx=_ratio(one.packets_lost_after_rtx, one.packets_expected),
                bytes_received=one.bytes_received,
            )
        )
    return found


def _end_ns(stream: StreamFigures, first_ns: int | None, window: WindowResult) -> int | None:
    """Return when a stream ended: with the window, or earlier with its subscription."""
    if first_ns is None:
        return None
    return max(first_ns, window.bounds_ns[0]) + round(stream.playing_ms * _NS_PER_MS)


def shares(encodings: _Encodings, start_ns: int, end_ns: int) -> dict[int, float]:
    """Return the share of the time that each encoding was received, of an interval.

    The time before the first encoding is left out.
    """
    times: defaultdict[int, int] = defaultdict(int)
    ends = [at_ns for at_ns, _ in encodings[1:]] + [end_ns]
    for (at_ns, encoding), until_ns in zip(encodings, ends, strict=False):
        times[encoding] += max(0, min(until_ns, end_ns) - max(at_ns, start_ns))
    total = sum(times.values())
    return {one: time / total for one, time in sorted(times.items()) if time}


def _name(plan: Plan, encoding: int) -> str:
    known = plan.encodings
    return known[encoding].clip.name if encoding < len(known) else f"encoding {encoding}"


def _seconds(at_ns: int, start_ns: int) -> float:
    return round((at_ns - start_ns) / _NS_PER_S, 3)


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None
