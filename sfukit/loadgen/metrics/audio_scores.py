"""The estimated opinion score of each received audio stream (``mos_audio_est``)."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from sfukit.loadgen.metrics import e_model
from sfukit.loadgen.metrics.figures import Figures, StreamFigures, TransportFigures
from sfukit.loadgen.metrics.histogram import Histogram, metric_of_histograms
from sfukit.loadgen.metrics.ledger import Ledger


def opinion_scores(ledger: Ledger, figures: Figures) -> Iterator[float]:
    """Return the score of each audio stream whose round trips are known."""
    round_trips_ms = _round_trips_ms(figures.transports)
    for stream in figures.streams:
        network_ms = _one_way_ms(ledger, stream, round_trips_ms)
        if stream.kind == "audio" and network_ms is not None and stream.packets_expected:
            yield _score(stream, network_ms)


def _score(stream: StreamFigures, network_ms: float) -> float:
    """Return the score; a packet that is late for playout is lost to the listener."""
    delay_ms = e_model.mouth_to_ear_ms(network_ms, stream.playout_delay_libwebrtc_ms or 0.0)
    missing = stream.packets_lost_after_rtx + stream.frames_late_libwebrtc
    return e_model.opinion_score(delay_ms, min(1.0, missing / stream.packets_expected))


def _one_way_ms(
    ledger: Ledger, stream: StreamFigures, round_trips_ms: Mapping[int, float]
) -> float | None:
    """Return half of both round trips, of the publisher and of the subscriber."""
    expected = ledger.expected.get(stream.stream)
    subscriber_ms = round_trips_ms.get(stream.bot)
    if expected is None or expected.publisher is None or subscriber_ms is None:
        return None
    publisher_ms = round_trips_ms.get(expected.publisher.index + 1)
    return None if publisher_ms is None else (subscriber_ms + publisher_ms) / 2


def _round_trips_ms(transports: Sequence[TransportFigures]) -> dict[int, float]:
    """Return the mean round trip of each bot."""
    found: defaultdict[int, list[Histogram]] = defaultdict(list)
    for one in transports:
        found[one.bot] += [one.rtt_outbound, one.rtt_inbound]
    means = {bot: metric_of_histograms(parts).avg for bot, parts in found.items()}
    return {bot: mean for bot, mean in means.items() if mean is not None}
