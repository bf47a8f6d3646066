"""The drawn sound: talk spurts of a hummed voice with silence between them."""

import numpy as np
import numpy.typing as npt

SAMPLES_PER_SECOND = 48_000
LOOP_SECONDS = 8
SPURTS_SECONDS = ((0.2, 1.4), (2.9, 3.6), (5.2, 6.4))
"""When the voice speaks: 39 % of the time, in spurts of about a second, as each side of a
conversation does (ITU-T P.59, table 1); the rest is silence, in which DTX sends nothing."""

SEED = 5

Samples = npt.NDArray[np.int16]


def talk() -> Samples:
    """Draw one loop: mono, 48 kHz, 16 bits."""
    time = np.arange(LOOP_SECONDS * SAMPLES_PER_SECOND) / SAMPLES_PER_SECOND
    loud = sum((spurt(time, *span) for span in SPURTS_SECONDS), np.zeros_like(time))
    pitch = 140 + 25 * np.sin(2 * np.pi * 0.75 * time)
    phase = 2 * np.pi * np.cumsum(pitch) / SAMPLES_PER_SECOND
    voice = sum(np.sin(harmonic * phase) / harmonic for harmonic in range(1, 12))
    syllables = 0.55 + 0.45 * np.sin(2 * np.pi * 4 * time)
    breath = np.random.default_rng(SEED).standard_normal(time.size) * 0.05
    return ((voice * syllables + breath) * loud * 6000).astype(np.int16)


def spurt(time: npt.NDArray[np.float64], start: float, end: float) -> npt.NDArray[np.float64]:
    """Rise to 1 between `start` and `end` seconds, with soft edges of 40 ms."""
    return np.clip(np.minimum(time - start, end - time) / 0.04, 0, 1)
