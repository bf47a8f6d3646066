"""The generated audio: talk spurts of a synthetic voice with silence between them."""

import numpy as np
import numpy.typing as npt

SAMPLES_PER_SECOND = 48_000
LOOP_SECONDS = 8
TALK_SPURTS_SECONDS = ((0.2, 1.4), (2.9, 3.6), (5.2, 6.4))
"""Start and end of each talk spurt: 39 % of the loop, in spurts of about a second, as in each
direction of a conversation (ITU-T P.59, table 1); in the silence between them DTX sends nothing."""

SEED = 5

Samples = npt.NDArray[np.int16]


def speech() -> Samples:
    """Generate one loop: mono, 48 kHz, 16 bits."""
    time = np.arange(LOOP_SECONDS * SAMPLES_PER_SECOND) / SAMPLES_PER_SECOND
    loud = sum((talk_spurt(time, *span) for span in TALK_SPURTS_SECONDS), np.zeros_like(time))
    pitch = 140 + 25 * np.sin(2 * np.pi * 0.75 * time)
    phase = 2 * np.pi * np.cumsum(pitch) / SAMPLES_PER_SECOND
    voice = sum(np.sin(harmonic * phase) / harmonic for harmonic in range(1, 12))
    syllables = 0.55 + 0.45 * np.sin(2 * np.pi * 4 * time)
    breath = np.random.default_rng(SEED).standard_normal(time.size) * 0.05
    return ((voice * syllables + breath) * loud * 6000).astype(np.int16)


def talk_spurt(time: npt.NDArray[np.float64], start: float, end: float) -> npt.NDArray[np.float64]:
    """Return the envelope of a talk spurt: 1 from `start` to `end` seconds, ramps of 40 ms."""
    return np.clip(np.minimum(time - start, end - time) / 0.04, 0, 1)
