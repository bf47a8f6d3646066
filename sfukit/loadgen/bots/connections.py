"""The peer connections of one bot, as transports and tracks of the swarm."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sfukit.loadgen.bots.clips import AUDIO, clip_name
from sfukit.loadgen.bots.media import Media
from sfukit.loadgen.bots.wanted import encoding_index, wanted
from sfukit.loadgen.metrics.ledger import ExpectedTrack, Ledger
from sfukit.loadgen.scenario import Bot, Plan, PlannedTrack, Size, frame_delays, network_at
from sfukit.loadgen.scenario.bottlenecks import Direction
from sfukit.loadgen.targets.base import JoinRefusedError
from sfukit.signaling import descriptions
from sfukit.signaling.descriptions import MediaLine, OfferParameters, RemoteTransport
from sfukit.signaling.sdp import SdpError
from sfukit.signaling.transport import Credentials
from sfukit.swarm.impairment import Impairment
from sfukit.swarm.messages import (
    AddCandidate,
    Candidate,
    ChangeAddress,
    CloseTransport,
    Command,
    EncodingParameters,
    LocalParameters,
    Network,
    OpenTransport,
    Publish,
    Receive,
    RemoteParameters,
    SetActiveEncodings,
    SetAudioLevel,
    SetWanted,
    StopReceiving,
)
from sfukit.swarm.native import Swarm

_SSRCS_PER_TRANSPORT = 16
# Limit of tracks received by one bot: a multiple of the plan, since a target may offer again.
_TRACKS_PER_SUBSCRIPTION = 8
_SPARE_TRACKS = 64
_TOO_MANY = "the target offers more tracks than planned; further tracks are not received"
_TOO_MANY_OPEN = "the target needs more connections than planned tracks; further ones are not made"
_NO_CANDIDATES = "the description of the target has no UDP candidate with an IP address"
_SPEECH = 0x80 | 25  # bit V, -25 dBov
_SILENCE = 127
_MAX_CANDIDATES = 16  # trickled by the target, per transport


@dataclass
class BotTransports:
    """What the connections of one bot share: its transports, the tracks received so far."""

    plan: Plan
    bot: Bot
    swarm: Swarm
    ledger: Ledger
    media: Media
    received: int = 0
    started: int = 0  # transports, those that ended included
    at_s: float = 0.0  # time of the run, which decides the network
    opened: list[int] = field(default_factory=list)
    sizes: Mapping[str, Size] = field(default_factory=dict)
    videos: dict[int, str] = field(default_factory=dict)  # streams, with their publishers
    audios: list[int] = field(default_factory=list)  # own streams of audio
    _receives: bool = False
    _speaks: bool | None = None

    @property
    def max_received(self) -> int:
        """The limit of tracks received."""
        planned = sum(1 for _ in self.plan.subscriptions(self.bot))
        return _TRACKS_PER_SUBSCRIPTION * planned + _SPARE_TRACKS

    def publishers(self) -> Mapping[str, Bot]:
        """Return the planned publishers by name."""
        return {one.publisher.name: one.publisher for one in self.plan.subscriptions(self.bot)}

    def decides(self, *, publishes: bool) -> bool:
        """Return whether the connection of a transport completes the join."""
        if publishes:
            return True
        first, self._receives = not self._receives, True
        return first and not self.bot.sends

    def rearrange(self, sizes: Mapping[str, Size]) -> None:
        """Take other sizes of the publishers: the quality score expects their encodings."""
        self.sizes = sizes
        encodings = self.plan.encodings
        self.swarm.send(
            [
                SetWanted(
                    stream=stream,
                    encoding_index=encoding_index(encodings, sizes.get(publisher, "small")),
                )
                for stream, publisher in self.videos.items()
            ]
        )

    def speak(self, *, speaks: bool) -> None:
        """Send the audio level of speech, or that of silence."""
        self._speaks = speaks
        octet = self.audio_level
        self.swarm.send([SetAudioLevel(stream=stream, octet=octet) for stream in self.audios])

    @property
    def audio_level(self) -> int:
        """The octet of the audio level (RFC 6464) that the bot sends."""
        speaks = self._speaks
        if speaks is None:
            speaks = self.plan.views.speaks(self.bot)
        return _SPEECH if speaks else _SILENCE

    def open(
        self,
        transport: int,
        local: Credentials,
        peer: RemoteTransport,
        tracks: Sequence[Command],
    ) -> None:
        """Open a transport with its tracks."""
        self.opened.append(transport)
        self.swarm.send([self._opening(transport, local, peer), *tracks])

    def change_address(self) -> None:
        """Let all open transports continue from another local address."""
        self.ledger.handovers.started(self.opened, self.bot, self.swarm.now_ns())
        self.swarm.send([ChangeAddress(transport=transport) for transport in self.opened])

    def close(self, transport: int) -> None:
        """Close one transport, if it is open."""
        if transport in self.opened:
            self.opened.remove(transport)
            self.videos.clear()
            self.audios.clear()
            self.swarm.send([CloseTransport(transport=transport)])

    def close_all(self) -> None:
        """Close all transports."""
        self.swarm.send([CloseTransport(transport=transport) for transport in self.opened])
        self.opened.clear()
        self.videos.clear()
        self.audios.clear()
        self.received = self.started = 0  # of the next attempt to join, if any
        self._receives = False

    def _opening(self, transport: int, local: Credentials, peer: RemoteTransport) -> OpenTransport:
        net_up, net_down = self.networks()
        number = self.bot.index + 1
        relay = self.media.relay if self.plan.is_relayed(self.bot) else None
        return OpenTransport(
            bot=number,
            transport=transport,
            bind_ip=None,
            relay=None if relay is None else relay.account(number, self.plan.total_s),
            local=LocalParameters(ufrag=local.ufrag, pwd=local.pwd),
            remote=RemoteParameters(
                ufrag=peer.ufrag,
                pwd=peer.pwd,
                fingerprints=peer.fingerprints,
                candidates=[Candidate(ip=ip, port=port) for ip, port in peer.candidates],
            ),
            dtls_role="client" if peer.bot_is_dtls_client else "server",
            cname=f"bot{number}",
            net_up=net_up,
            net_down=net_down,
        )

    def networks(self) -> tuple[Network | None, Network | None]:
        """Return the impairment of the bot at its time of the run, up and down."""
        if not self.bot.impaired:
            return None, None
        up, down = network_at(self.bot, self.plan.options, self.at_s)
        return self._network(up, "up"), self._network(down, "down")

    def _network(self, impairment: Impairment | None, direction: Direction) -> Network | None:
        link = self.bot.slot, direction
        shared, traced = self.plan.bottlenecks.get(link), link in self.plan.traced
        return Network.of(impairment, shared, trace=traced)


class _Transport:
    """One transport: opened with the first remote candidate, which may follow the description."""

    def __init__(self, bot: BotTransports, *, publishes: bool, trickle: bool) -> None:
        self.bot = bot
        self._trickle = trickle
        self.id = bot.swarm.new_id()
        self._publishes = publishes
        self._waiting: tuple[Credentials, RemoteTransport, list[Command]] | None = None
        self._is_open = False
        self._early: list[tuple[str, int]] = []
        self._candidates = 0

    def start(self, local: Credentials, peer: RemoteTransport, commands: Sequence[Command]) -> None:
        """Open the transport, and send commands for its tracks; later calls send commands alone.

        Raises ``JoinRefusedError`` where no candidate is there and none can follow.
        """
        if self._is_open:
            self.bot.swarm.send(commands)
        elif self._waiting is not None:
            self._waiting[2].extend(commands)
        elif not (peer.candidates or self._trickle):
            raise JoinRefusedError("no_candidates", _NO_CANDIDATES)
        elif self.bot.started > self.bot.max_received:
            raise JoinRefusedError("too_many_connections", _TOO_MANY_OPEN)
        else:
            self.bot.started += 1
            decides = self.bot.decides(publishes=self._publishes)
            self.bot.ledger.opened(self.id, self.bot.bot, decides=decides)
            self._waiting = (local, peer, list(commands))
            self._open_with(peer.candidates + self._early)

    def add_candidate(self, text: str) -> None:
        """Check a trickled candidate too."""
        address = descriptions.udp_address(text)
        if address is None or self._candidates >= _MAX_CANDIDATES:
            return
        self._candidates += 1
        if self._is_open:
            candidate = Candidate(*address)
            self.bot.swarm.send([AddCandidate(transport=self.id, candidate=candidate)])
        elif self._waiting is None:
            self._early.append(address)
        else:
            self._open_with([address])

    def _open_with(self, addresses: list[tuple[str, int]]) -> None:
        if self._waiting is None or not addresses:
            return
        local, peer, commands = self._waiting
        self._waiting, self._is_open = None, True
        self.bot.open(self.id, local, peer.with_candidates(addresses), commands)


class PublishTransport:
    """The ``PublishConnection`` of a bot."""

    def __init__(
        self, bot: BotTransports, *, trickle: bool = False, rids: Sequence[str] | None = None
    ) -> None:
        self._bot = bot
        self._rids = rids or [encoding.rid for encoding in bot.plan.encodings]
        self._transport = _Transport(bot, publishes=True, trickle=trickle)
        self._published: dict[str, tuple[int, int]] = {}
        self._offered = self._parameters()

    async def offer(self) -> str:
        return descriptions.publish_offer(self._offered)

    async def answered(self, sdp: str) -> None:
        try:
            answer = descriptions.read_answer(sdp)
        except SdpError as error:
            raise JoinRefusedError("answer_unusable", str(error)) from error
        tracks = [self._publish(line) for line in answer.lines]
        self._transport.start(self._offered.credentials, answer.peer, tracks)

    async def add_candidate(self, candidate: str) -> None:
        self._transport.add_candidate(candidate)

    def activate(self, mid: str, rids: Sequence[str]) -> None:
        if mid in self._published:
            stream, encodings = self._published[mid]
            self._bot.ledger.deactivated(stream, encodings - len(rids))
            self._bot.swarm.send([SetActiveEncodings(stream=stream, rids=list(rids))])

    def _parameters(self) -> OfferParameters:
        """Return new credentials and SSRCs."""
        bot, plan, media = self._bot.bot, self._bot.plan, self._bot.media
        # unique in this run, and by the seed different from those of other runs
        first = (media.ssrc_base + self._transport.id * _SSRCS_PER_TRANSPORT) & 0xFFFFFFF0
        encodings = [
            descriptions.Encoding(rid, first + 2 * rank + 2, first + 2 * rank + 3)
            for rank, rid in enumerate(self._rids)
        ]
        codec = plan.codec_of(bot) if bot.video else None
        return OfferParameters(
            descriptions.new_credentials(),
            self._bot.swarm.info.fingerprint,
            first + 1 if bot.audio else None,
            codec,
            encodings,
            capture_time=codec is not None
            and frame_delays.sends_capture_time(plan.options.latency, codec),
        )

    def _publish(self, line: MediaLine) -> Publish:
        swarm, media = self._bot.swarm, self._bot.media
        encodings = self._encodings(line)
        stream = swarm.new_id()
        self._published[line.mid] = stream, len(encodings)
        if line.kind == "audio":
            self._bot.audios.append(stream)
        if line.kind == "video":
            self._bot.ledger.encodings_published += len(encodings)
            codec = self._bot.plan.codec_of(self._bot.bot)
            self._bot.ledger.capture_times.published(codec, line.extensions)
        return Publish(
            transport=self._transport.id,
            stream=stream,
            mid=line.mid,
            payload_type=line.payload_type,
            rtx_payload_type=line.rtx_payload_type,
            extensions=line.extensions,
            encodings=encodings,
            source_id=stream,
            start_ns=swarm.now_ns(),
            paced=media.pacing,
            pli=media.pli_policy,
            frame_ids=self._bot.plan.options.latency != "off",
            log_captures=line.kind == "video" and self._logs_captures(stream),
            audio_level=self._bot.audio_level if line.kind == "audio" else None,
        )

    def _logs_captures(self, stream: int) -> bool:
        """Return whether the capture times are kept, for the barcodes of sampled tracks."""
        bot, sampled = self._bot.bot, self._bot.media.sampled
        if self._bot.plan.options.latency != "barcode":
            return False
        if not any(track.publisher == bot.index for track in sampled):
            return False
        self._bot.ledger.logged[bot.index] = stream
        return True

    def _encodings(self, line: MediaLine) -> list[EncodingParameters]:
        clips = self._bot.media.clips
        if line.kind == "audio":
            ssrc = self._offered.audio_ssrc or 0
            return [EncodingParameters(rid=None, ssrc=ssrc, rtx_ssrc=None, clip=clips[AUDIO])]
        several = len(self._offered.encodings) > 1
        plan = self._bot.plan
        codec = plan.codec_of(self._bot.bot)
        return [
            EncodingParameters(
                rid=encoding.rid if several else None,
                ssrc=encoding.ssrc,
                rtx_ssrc=encoding.rtx_ssrc if line.rtx_payload_type is not None else None,
                clip=clips[clip_name(plan, codec, planned.rid)],
                encoding_index=rank,
            )
            for rank, (encoding, planned) in enumerate(
                zip(self._offered.encodings, self._bot.plan.encodings, strict=True)
            )
        ]


class ReceiveTransport:
    """A ``ReceiveConnection`` of a bot."""

    def __init__(self, bot: BotTransports, *, trickle: bool = False) -> None:
        self._bot = bot
        self._transport = _Transport(bot, publishes=False, trickle=trickle)
        self._credentials = descriptions.new_credentials()
        self._planned = bot.publishers()
        self._streams: dict[tuple[str, int | None], int] = {}

    async def offer(self) -> str:
        publishers = self._planned.values()
        return descriptions.play_offer(
            self._credentials,
            self._bot.swarm.info.fingerprint,
            audio=any(bot.audio for bot in publishers),
            video=any(bot.video for bot in publishers),
            capture_time=self._bot.plan.options.latency != "off",
        )

    async def answered(self, sdp: str, publishers: Mapping[str, str]) -> None:
        try:
            answer = descriptions.read_answer(sdp)
        except SdpError as error:
            raise JoinRefusedError("answer_unusable", str(error)) from error
        self.receive(answer.peer, answer.lines, publishers)

    async def answer(self, sdp: str, publishers: Mapping[str, str]) -> str:
        offer = descriptions.read_offer(sdp, lambda mid: self._codec(publishers.get(mid, "")))
        fingerprint = self._bot.swarm.info.fingerprint
        answer = descriptions.play_answer(offer, self._credentials, fingerprint)
        self.receive(offer.peer, offer.lines, publishers)
        return answer

    def _codec(self, publisher: str) -> str | None:
        """Return the codec of the video of a publisher, of another one that of the load."""
        plan = self._bot.plan
        if publisher in self._planned:
            return plan.codec_of(self._planned[publisher])
        return plan.codecs[0] if len(plan.codecs) == 1 else None

    async def add_candidate(self, candidate: str) -> None:
        self._transport.add_candidate(candidate)

    async def close(self) -> None:
        self._bot.close(self._transport.id)

    def receive(
        self, peer: RemoteTransport, lines: Sequence[MediaLine], publishers: Mapping[str, str]
    ) -> None:
        """Receive exactly the tracks of these m-lines."""
        offered = {(line.mid, line.ssrc): line for line in lines}
        ended = [key for key in self._streams if key not in offered]
        commands: list[Command] = [StopReceiving(stream=self._ended(key)) for key in ended]
        for key, line in offered.items():
            if key in self._streams:
                continue
            if self._bot.received >= self._bot.max_received:
                self._bot.ledger.fault("too_many_tracks", _TOO_MANY, self._bot.bot)
                break
            self._bot.received += 1
            self._streams[key] = self._bot.swarm.new_id()
            publisher = self._planned.get(publishers.get(line.mid, ""))
            commands.append(self._receive(self._streams[key], line, publisher))
        self._transport.start(self._credentials, peer, commands)

    def _sampled(self, stream: int, expected: ExpectedTrack) -> bool:
        """Return whether the frames of a track are kept for the decoder."""
        if expected.publisher is None:
            return False
        pair = expected.subscriber.index, expected.publisher.index
        sampled = PlannedTrack(*pair, expected.kind) in self._bot.media.sampled
        if sampled:
            self._bot.ledger.sampled.append(stream)
        return sampled

    def _ended(self, key: tuple[str, int | None]) -> int:
        stream = self._streams.pop(key)
        self._bot.videos.pop(stream, None)
        return stream

    def _receive(self, stream: int, line: MediaLine, publisher: Bot | None) -> Receive:
        transport = self._transport.id
        expected = ExpectedTrack(self._bot.bot, publisher, line.kind, transport)
        self._bot.ledger.track_expected(stream, expected)
        expects = None
        if publisher is not None and line.kind == "video":
            self._bot.videos[stream] = publisher.name
            codec = self._bot.plan.codec_of(publisher)
            self._bot.ledger.capture_times.received(codec, line.extensions)
            size = self._bot.sizes.get(publisher.name, "small")
            expects = wanted(self._bot.plan.encodings, size)
        sample = self._sampled(stream, expected)
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
            wanted=expects,
            sample=sample,
            barcode=self._bot.plan.options.latency == "barcode",
            timing=frame_delays.TIMINGS[self._bot.plan.options.latency],
            untimed=publisher is not None and not self._bot.plan.is_own(publisher),
        )
