"""The media that bots send: clips, pacing, response to PLI."""

from collections.abc import Mapping
from dataclasses import dataclass

from sfukit.loadgen.options import Pacing, PliPolicy, Unwatched
from sfukit.loadgen.relay import RelayOptions
from sfukit.loadgen.scenario import PlannedTrack


@dataclass(frozen=True, kw_only=True)
class Media:
    """The media of all bots: clips by rid (``audio`` for the audio clip), pacing, PLI policy.

    ``relay`` is the TURN server that it passes.
    ``sampled`` are the received tracks to decode.
    """

    clips: Mapping[str, int]
    pacing: Pacing
    pli_policy: PliPolicy
    unwatched: Unwatched
    ssrc_base: int
    relay: RelayOptions | None = None
    sampled: frozenset[PlannedTrack] = frozenset()
