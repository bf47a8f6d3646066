"""The E-model of ITU-T G.107: an estimated opinion score of speech from delay and loss. Pure.

All parameters but delay and loss have the defaults of G.107, without echo. Opus has no equipment
impairment in G.113; that of G.711 with packet loss concealment (G.113 Appendix I) stands in.
"""

import math

_R_WITHOUT_DELAY_AND_LOSS = 93.2
_EQUIPMENT_IMPAIRMENT = 0.0  # Ie
_LOSS_ROBUSTNESS = 25.1  # Bpl
_HIGHEST_IMPAIRMENT = 95.0
_NOTICED_DELAY_MS = 100.0
# Opus: a frame of 20 ms and the look-ahead of its encoder (RFC 6716 section 2.1.9).
ENCODER_DELAY_MS = 26.5


def mouth_to_ear_ms(network_ms: float, playout_ms: float) -> float:
    """Return the delay of speech: encoder, one-way network, jitter buffer."""
    return ENCODER_DELAY_MS + network_ms + playout_ms


def opinion_score(delay_ms: float, loss: float) -> float:
    """Return the mean opinion score, 1 to 4.5, by mouth-to-ear delay and share of lost packets.

    Losses count as independent (BurstR = 1).
    """
    rating = _R_WITHOUT_DELAY_AND_LOSS - _delay_impairment(delay_ms) - _loss_impairment(loss)
    return _score_of(rating)


def _delay_impairment(delay_ms: float) -> float:
    """Return Idd (G.107 section 7.4)."""
    if delay_ms <= _NOTICED_DELAY_MS:
        return 0.0
    doublings = math.log2(delay_ms / _NOTICED_DELAY_MS)
    rising = math.pow(1 + math.pow(doublings, 6), 1 / 6)
    falling = 3 * math.pow(1 + math.pow(doublings / 3, 6), 1 / 6)
    return 25 * (rising - falling + 2)


def _loss_impairment(loss: float) -> float:
    """Return Ie-eff (G.107 section 7.5)."""
    percent = 100 * loss
    effect = percent / (percent + _LOSS_ROBUSTNESS)
    return _EQUIPMENT_IMPAIRMENT + (_HIGHEST_IMPAIRMENT - _EQUIPMENT_IMPAIRMENT) * effect


def _score_of(rating: float) -> float:
    """Return the mean opinion score of a transmission rating R (G.107 Annex B)."""
    if rating <= 0:
        return 1.0
    if rating >= 100:
        return 4.5
    score = 1 + 0.035 * rating + rating * (rating - 60) * (100 - rating) * 7e-6
    return max(1.0, score)
