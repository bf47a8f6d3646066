"""The figures of each client: its join, and what it received in the window."""

from collections import Counter, defaultdict
from collections.abc import Sequence

from sfukit.loadgen.metrics.figures import StreamFigures
from sfukit.loadgen.metrics.histogram import metric_of_histograms
from sfukit.loadgen.metrics.ledger import JoinRecord, Ledger
from sfukit.loadgen.result.series import MOST_CLIENTS, Client
from sfukit.loadgen.scenario import Bot, Plan


def clients(
    plan: Plan, ledger: Ledger, streams: Sequence[StreamFigures], window_s: float
) -> list[Client]:
    """Return the clients in the order of their joins, at most ``MOST_CLIENTS``.

    ``window_s`` of 0 leaves bitrates unknown.
    """
    received: defaultdict[int, list[StreamFigures]] = defaultdict(list)
    for stream in streams:
        received[stream.bot - 1].append(stream)
    expected, ttff_ms = plan.views.expected(), _longest_ttff_ms(ledger)
    planned = Counter(track.subscriber for track in expected)
    arrived = Counter(track.subscriber for track in expected & ledger.arrived)
    return [
        _client(
            ledger,
            bot,
            received[bot.index],
            window_s,
            (arrived[bot.index], planned[bot.index]),
            ttff_ms.get(bot.index),
        )
        for bot in plan.own_bots[:MOST_CLIENTS]
    ]


def _longest_ttff_ms(ledger: Ledger) -> dict[int, float]:
    longest: dict[int, float] = {}
    for track, ttff_ms in ledger.first_frames():
        if track.kind == "video":
            index = track.subscriber.index
            longest[index] = max(ttff_ms, longest.get(index, 0.0))
    return longest


def _client(
    ledger: Ledger,
    bot: Bot,
    streams: Sequence[StreamFigures],
    window_s: float,
    tracks: tuple[int, int],
    ttff_ms: float | None,
) -> Client:
    record = ledger.join_records.get(bot.index)
    join_ms = None if record is None else record.join_ms
    video = [one for one in streams if one.kind == "video"]
    expected = sum(one.packets_expected for one in streams)
    delay = metric_of_histograms(one.e2e_histogram for one in video)
    received_bytes = sum(one.bytes_received for one in streams)
    return Client(
        room=ledger.plan.rooms[bot.room].label,
        name=bot.name,
        joined=join_ms is not None,
        failure=_failure(record),
        join_ms=join_ms,
        ttff_ms=ttff_ms,
        tracks=tracks[0],
        planned_tracks=tracks[1],
        e2e_frame_p95_ms=delay.p95,
        loss_raw=_ratio(sum(one.packets_lost_raw for one in streams), expected),
        loss_after_rtx=_ratio(sum(one.packets_lost_after_rtx for one in streams), expected),
        freeze_est=_ratio(
            sum(one.frozen_ms for one in video), sum(one.playing_ms for one in video)
        ),
        bitrate_in_bps=received_bytes * 8 / window_s if window_s and streams else None,
        quality=min((one.quality.score for one in streams if one.quality), default=None),
        impaired=bot.impaired,
    )


def _failure(record: JoinRecord | None) -> str:
    if record is None:
        return "not started"
    return record.failure or record.lost or ""


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None
