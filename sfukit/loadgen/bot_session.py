"""The media session of one bot: offers, published and received tracks, as swarm commands."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from sfukit.loadgen.ledger import ExpectedTrack, Ledger
from sfukit.loadgen.options import Pacing, PliPolicy, Unwatched
from sfukit.loadgen.scenario import Bot, Plan, Room
from sfukit.signaling import descriptions
from sfukit.signaling.descriptions import (
    MediaLine,
    OfferParameters,
    RemoteDescription,
    RemoteTransport,
)
from sfukit.signaling.transport import Credentials
from sfukit.swarm.messages import (
    AddBot,
    Candidate,
    CloseTransport,
    Command,
    EncodingParameters,
    LocalParameters,
    OpenTransport,
    Publish,
    Receive,
    RemoteParameters,
    SetActiveEncodings,
    StopReceiving,
)
from sfukit.swarm.native import Swarm

_SSRCS_PER_TRANSPORT = 16
# Limit of tracks received by one bot: a multiple of the plan, since a target may offer again.
_TRACKS_PER_SUBSCRIPTION = 8
_SPARE_TRACKS = 64
_TOO_MANY = "the target offers more tracks than planned; further tracks are not received"


@dataclass(frozen=True, kw_only=True)
class Media:
    """The media of all bots: clips by rid (``audio`` for the audio clip), pacing, PLI policy."""

    clips: Mapping[str, int]
    pacing: Pacing
    pli_policy: PliPolicy
    unwatched: Unwatched
    ssrc_base: int


@dataclass(frozen=True)
class InboundTrack:
    """One track that a bot receives: its m-line and its publisher."""

    media: MediaLine
    publisher: Bot | None


class BotSession:
    """The transports and tracks of one bot."""

    def __init__(self, plan: Plan, bot: Bot, swarm: Swarm, ledger: Ledger, media: Media) -> None:
        self.plan = plan
        self.bot = bot
        self.swarm = swarm
        self.ledger = ledger
        self._media = media
        self._id = bot.index + 1
        self._opened: list[int] = []
        self._publish_transport = 0
        self._receive_transport: int | None = None
        self._streams: dict[tuple[str, int | None], int] = {}
        self._published: dict[str, tuple[int, int]] = {}
        self._received = 0

    @property
    def dynacast(self) -> bool:
        """Whether the bot deactivates encodings when the server reports no subscribers."""
        return self._media.unwatched == "dynacast"

    @cached_property
    def _max_received(self) -> int:
        return (
            _TRACKS_PER_SUBSCRIPTION * sum(1 for _ in self.plan.subscriptions(self.bot))
            + _SPARE_TRACKS
        )

    @property
    def room(self) -> Room:
        """The room of the bot."""
        return self.plan.rooms[self.bot.room]

    def add(self, scheduled_ns: int) -> None:
        """Add the bot to the swarm; its times count from the scheduled join."""
        self.ledger.scheduled(self.bot, scheduled_ns)
        name = self.ledger.label(self.bot)
        self.swarm.send([AddBot(bot=self._id, name=name, scheduled_ns=scheduled_ns)])

    def accepted(self) -> None:
        """Record that the target accepted the join."""
        self.ledger.signalled(self.bot, self.swarm.now_ns())

    def offer(self) -> OfferParameters:
        """Return new credentials and SSRCs for the publish transport."""
        transport = self._publish_transport = self.swarm.new_id()
        # unique in this run, and by the seed different from those of other runs
        first = (self._media.ssrc_base + transport * _SSRCS_PER_TRANSPORT) & 0xFFFFFFF0
        encodings = [
            descriptions.Encoding(encoding.rid, first + 2 * rank + 2, first + 2 * rank + 3)
            for rank, encoding in enumerate(self.plan.encodings)
        ]
        return OfferParameters(
            descriptions.new_credentials(),
            self.swarm.info.fingerprint,
            first + 1 if self.bot.audio else None,
            self.plan.options.codec if self.bot.video else None,
            encodings,
        )

    def publish(self, offered: OfferParameters, answer: RemoteDescription) -> None:
        """Open the publish transport to the answer of the target, and send."""
        transport = self._publish_transport
        self.ledger.opened(transport, self.bot, decides=True)
        commands: list[Command] = [self._open(transport, offered.credentials, answer.peer)]
        for line in answer.lines:
            encodings = self._encodings(offered, line)
            commands.append(self._publish(transport, line, encodings))
        self.swarm.send(commands)

    def send_only(self, mid: str, rids: list[str]) -> None:
        """Activate the encodings ``rids`` of a track, and deactivate its others (dynacast)."""
        if mid in self._published:
            stream, encodings = self._published[mid]
            self.ledger.deactivated(stream, encodings - len(rids))
            self.swarm.send([SetActiveEncodings(stream=stream, rids=rids)])

    def receive(
        self, credentials: Credentials, peer: RemoteTransport, tracks: Sequence[InboundTrack]
    ) -> None:
        """Receive exactly ``tracks``; the first call opens the receive transport."""
        commands: list[Command] = []
        if self._receive_transport is None:
            self._receive_transport = self.swarm.new_id()
            self.ledger.opened(self._receive_transport, self.bot, decides=not self.bot.sends)
            commands.append(self._open(self._receive_transport, credentials, peer))
        offered = {(track.media.mid, track.media.ssrc): track for track in tracks}
        ended = [key for key in self._streams if key not in offered]
        commands += [StopReceiving(stream=self._streams.pop(key)) for key in ended]
        for key, track in offered.items():
            if key not in self._streams:
                if self._received >= self._max_received:
                    self.ledger.fault("too_many_tracks", _TOO_MANY, self.bot)
                    break
                self._received += 1
                self._streams[key] = self.swarm.new_id()
                commands.append(self._receive(self._receive_transport, self._streams[key], track))
        self.swarm.send(commands)

    def leave(self) -> None:
        """Close all transports; the figures are kept."""
        self.swarm.send([CloseTransport(transport=transport) for transport in self._opened])
        self._opened.clear()

    def _open(self, transport: int, local: Credentials, peer: RemoteTransport) -> OpenTransport:
        self._opened.append(transport)
        impaired = self.bot.impaired
        options = self.plan.options
        return OpenTransport(
            bot=self._id,
            transport=transport,
            bind_ip=None,
            local=LocalParameters(ufrag=local.ufrag, pwd=local.pwd),
            remote=RemoteParameters(
                ufrag=peer.ufrag,
                pwd=peer.pwd,
                fingerprints=peer.fingerprints,
                candidates=[Candidate(ip=ip, port=port) for ip, port in peer.candidates],
            ),
            dtls_role="client" if peer.bot_is_dtls_client else "server",
            cname=f"bot{self._id}",
            net_up=options.net_up if impaired else None,
            net_down=options.net_down if impaired else None,
        )

    def _encodings(self, offered: OfferParameters, line: MediaLine) -> list[EncodingParameters]:
        if line.kind == "audio":
            ssrc = offered.audio_ssrc or 0
            clip = self._media.clips["audio"]
            return [EncodingParameters(rid=None, ssrc=ssrc, rtx_ssrc=None, clip=clip)]
        several = len(offered.encodings) > 1
        return [
            EncodingParameters(
                rid=encoding.rid if several else None,
                ssrc=encoding.ssrc,
                rtx_ssrc=encoding.rtx_ssrc if line.rtx_payload_type is not None else None,
                clip=self._media.clips[encoding.rid or ""],
                encoding_index=rank,
            )
            for rank, encoding in enumerate(offered.encodings)
        ]

    def _publish(
        self, transport: int, line: MediaLine, encodings: list[EncodingParameters]
    ) -> Publish:
        stream = self.swarm.new_id()
        self._published[line.mid] = stream, len(encodings)
        if line.kind == "video":
            self.ledger.encodings_published += len(encodings)
        return Publish(
            transport=transport,
            stream=stream,
            mid=line.mid,
            payload_type=line.payload_type,
            rtx_payload_type=line.rtx_payload_type,
            extensions=line.extensions,
            encodings=encodings,
            source_id=stream,
            start_ns=self.swarm.now_ns(),
            paced=self._media.pacing,
            pli=self._media.pli_policy,
        )

    def _receive(self, transport: int, stream: int, track: InboundTrack) -> Receive:
        line, publisher = track.media, track.publisher
        self.ledger.track_expected(stream, ExpectedTrack(self.bot, publisher, line.kind, transport))
        return Receive(
            transport=transport,
            stream=stream,
            codec=line.codec,
            mid=line.mid,
            payload_type=line.payload_type,
            rtx_payload_type=line.rtx_payload_type,
            ssrc=line.ssrc,
            rtx_ssrc=line.rtx_ssrc,
            extensions=line.extensions,
            source=publisher.name if publisher else "",
            # extended reports need no negotiation (RFC 3611 section 5)
            feedback=[*line.feedback, "rrtr"],
        )
