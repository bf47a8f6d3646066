"""The E-model, and the opinion scores of audio streams."""

import msgspec
import pytest

from sfukit.loadgen.metrics import e_model
from sfukit.loadgen.metrics.audio_scores import opinion_scores
from sfukit.loadgen.metrics.figures import Figures, StreamFigures, TransportFigures
from sfukit.loadgen.metrics.histogram import Histogram
from sfukit.loadgen.metrics.ledger import ExpectedTrack, Ledger
from sfukit.loadgen.options import LoadOptions
from sfukit.loadgen.scenario import plan
from tests.unit.loadgen.test_summary import figures, histogram, stream

EMPTY = histogram()


@pytest.mark.parametrize(
    ("delay_ms", "loss", "score"),
    [
        # R = 93.2: 1 + 0.035 R + R (R - 60) (100 - R) 7e-6
        (0, 0.0, 4.409),
        (100, 0.0, 4.409),
        # Idd at twice 100 ms: 25 (2^(1/6) - 3 (1 + 3^-6)^(1/6) + 2) = 3.044; R = 90.156
        (200, 0.0, 4.342),
        # Ie-eff of 5 %: 95 * 5 / (5 + 25.1) = 15.781; R = 77.419
        (50, 0.05, 3.923),
        # Ie-eff of all: 95 * 100 / 125.1 = 75.939; R = 17.261
        (50, 1.0, 1.177),
        (100_000, 1.0, 1.0),
    ],
)
def test_the_scores_of_the_e_model(delay_ms: float, loss: float, score: float) -> None:
    assert e_model.opinion_score(delay_ms, loss) == pytest.approx(score, abs=0.001)


def transport(bot: int, outbound: Histogram, inbound: Histogram) -> TransportFigures:
    return TransportFigures(bot, bot, outbound, inbound, 1, 1)


def audio_of(bot: int, **changes: object) -> StreamFigures:
    return stream(10, bot, kind="audio", **changes)


def scores(streams: list[StreamFigures], transports: list[TransportFigures]) -> list[float]:
    load = plan(LoadOptions(clients=2, seed=71))
    ledger = Ledger(load)
    first, second = load.bots
    ledger.track_expected(10, ExpectedTrack(first, second, "audio", 1))
    found = msgspec.structs.replace(figures(streams), transports=transports)
    assert isinstance(found, Figures)
    return list(opinion_scores(ledger, found))


def test_late_and_lost_packets_and_all_delays_count() -> None:
    transports = [transport(1, EMPTY, histogram(0.1)), transport(2, histogram(0.06), EMPTY)]
    lossy = audio_of(
        1, packets_lost_after_rtx=20, frames_late_libwebrtc=30, playout_delay_libwebrtc_ms=40.0
    )
    # 26.5 ms of the encoder, (0.1 + 0.06) / 2 ms and 40 ms; 50 of 1,000 packets
    expected = e_model.opinion_score(66.58, 0.05)
    assert scores([lossy], transports) == [pytest.approx(expected)]
    delayed = audio_of(1, playout_delay_libwebrtc_ms=173.42)
    assert scores([delayed], transports) == [pytest.approx(4.342, abs=0.001)]


def test_a_stream_has_no_score_without_the_round_trips_of_both_ends() -> None:
    known = transport(1, EMPTY, histogram(0.1))
    assert scores([audio_of(1)], []) == []
    assert scores([audio_of(1)], [known]) == []
    assert scores([audio_of(1)], [known, transport(2, EMPTY, EMPTY)]) == []
    assert scores([stream(10, 1)], [known, transport(2, histogram(0.1), EMPTY)]) == []
