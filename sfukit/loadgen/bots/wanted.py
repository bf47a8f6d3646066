"""The encoding that a subscriber wants of a publisher, by the size that it sees. Pure."""

from collections.abc import Sequence

from sfukit.loadgen.scenario import Encoding, Size
from sfukit.loadgen.scenario.media import rank
from sfukit.swarm.messages import Wanted


def wanted(encodings: Sequence[Encoding], size: Size) -> Wanted:
    """Return the wanted encoding with the bitrates of all, the lowest first."""
    return Wanted(encoding_index(encodings, size), [one.bitrate_bps for one in encodings])


def encoding_index(encodings: Sequence[Encoding], size: Size) -> int:
    """Return the index of the encoding; 0 without any."""
    return max(0, rank(size, len(encodings)))
