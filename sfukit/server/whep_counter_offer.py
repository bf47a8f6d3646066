"""The server's own offer to a WHEP player whose offer cannot be answered, and the player's answer.

Source: draft-ietf-wish-whep-04 section 4.3.2 ("Server Sends Counter-offer").
"""

from collections.abc import Iterable
from typing import NamedTuple

from sfukit.server.core import Core
from sfukit.server.publication import Publication
from sfukit.server.subscribe_connection import offered_track
from sfukit.signaling import sdp
from sfukit.signaling.play_answer import Played
from sfukit.signaling.refusal import Refusal
from sfukit.signaling.subscribe_offer import Accepted, SubscribeOffers
from sfukit.signaling.transport import LocalTransport, RemoteParameters

REASONS = frozenset(("nothing_to_play", "codec_unsupported", "bundle_required"))
"""Refusals of an offer after which an offer of the server may be answered."""

VALID_S = 30.0  # without a valid-until parameter
_MAX_INFORMATION = 200


class Agreed(NamedTuple):
    """The transport of a player, and the publications that it takes, by the mids of the offer."""

    remote: RemoteParameters
    played: list[Played]


class CounterOffer:
    """One offer of publications, sendonly; it stays outstanding until an answer is accepted."""

    def __init__(
        self, core: Core, publications: Iterable[Publication], local: LocalTransport
    ) -> None:
        self._offers = SubscribeOffers(local)
        for publication in publications:
            self._offers.add(offered_track(core, publication))

    def text(self, refusal: Refusal) -> str:
        """Write the offer; its session information says why the player's was refused."""
        words = f"{refusal.reason}: {refusal.detail}".encode("ascii", "backslashreplace").decode()
        information = " ".join(words.split())[:_MAX_INFORMATION]
        return self._offers.offer().replace("\r\ns=-\r\n", f"\r\ns=-\r\ni={information}\r\n", 1)

    def answered(self, answer: sdp.Session) -> Agreed:
        """Apply an answer; raise ``Refusal``."""
        answered = self._offers.answer(answer)
        if answered.remote is None or not answered.accepted:
            raise Refusal("codec_unsupported", "the answer takes no m-line of the offer")
        return Agreed(answered.remote, [_played(accepted) for accepted in answered.accepted])


def _played(accepted: Accepted) -> Played:
    track, numbers = accepted.track, accepted.numbers
    return Played(
        mid=accepted.mid,
        engine_mid=accepted.mid,
        publication=track.publication,
        kind=track.kind,
        codec_name=track.codec_name,
        codec=track.codec,
        numbers=numbers,
        extensions=accepted.extensions,
        stream_id=track.stream_id,
        track_id=track.track_id,
        cname=track.cname,
        ssrc=track.ssrc,
        rtx_ssrc=track.rtx_ssrc if numbers.rtx_payload_type is not None else None,
        feedback=accepted.feedback,
    )
