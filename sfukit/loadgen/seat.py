"""One bot at work: what it offers, what it sends, what it receives, as commands to the swarm."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from sfukit.loadgen.ledger import Expected, Ledger
from sfukit.loadgen.options import Pacing, PliPolicy, Unwatched
from sfukit.loadgen.scenario import Bot, Plan, Room
from sfukit.signaling import descriptions
from sfukit.signaling.descriptions import Described, Line, Offered, Peer
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
# Tracks that a bot takes in its life: several times those planned, since a target may offer again.
_TRACKS_PER_VIEW = 8
_SPARE_TRACKS = 64
_TOO_MANY = "the target offers ever more tracks; further ones are not received"


@dataclass(frozen=True, kw_only=True)
class Media:
    """What all bots send: clips by rid (``audio`` for sound), and in which manner."""

    clips: Mapping[str, int]
    pacing: Pacing
    pli_policy: PliPolicy
    unwatched: Unwatched
    ssrc_base: int


@dataclass(frozen=True)
class Incoming:
    """One m-line that a bot receives, and whose track it carries."""

    line: Line
    publisher: Bot | None


class Seat:
    """One bot's place in the load."""

    def __init__(self, plan: Plan, bot: Bot, swarm: Swarm, ledger: Ledger, media: Media) -> None:
        self.plan = plan
        self.bot = bot
        self.swarm = swarm
        self.ledger = ledger
        self._media = media
        self._id = bot.index + 1
        self._opened: list[int] = []
        self._publishing = 0
        self._playing: int | None = None
        self._streams: dict[tuple[str, int | None], int] = {}
        self._sent: dict[str, tuple[int, int]] = {}
        self._received = 0

    @property
    def dynacast(self) -> bool:
        """Whether the bot stops encodings without subscribers when the server says so."""
        return self._media.unwatched == "dynacast"

    @cached_property
    def _most_received(self) -> int:
        return _TRACKS_PER_VIEW * sum(1 for _ in self.plan.views(self.bot)) + _SPARE_TRACKS

    @property
    def room(self) -> Room:
        """The room the bot is in."""
        return self.plan.rooms[self.bot.room]

    def take(self, scheduled_ns: int) -> None:
        """Make the bot; its times count from when it was planned to join."""
        self.ledger.scheduled(self.bot, scheduled_ns)
        name = self.ledger.label(self.bot)
        self.swarm.send([AddBot(bot=self._id, name=name, scheduled_ns=scheduled_ns)])

    def accepted(self) -> None:
        """Note that the target took the bot in."""
        self.ledger.signalled(self.bot, self.swarm.now_ns())

    def offer(self) -> Offered:
        """Choose credentials and SSRCs for the transport that the bot publishes on."""
        transport = self._publishing = self.swarm.new_id()
        # unique in this run, and with the seed unlike those of the next
        first = (self._media.ssrc_base + transport * _SSRCS_PER_TRANSPORT) & 0xFFFFFFF0
        encodings = [
            descriptions.Encoding(encoding.rid, first + 2 * rank + 2, first + 2 * rank + 3)
            for rank, encoding in enumerate(self.plan.encodings)
        ]
        return Offered(
            descriptions.new_credentials(),
            self.swarm.info.fingerprint,
            first + 1 if self.bot.audio else None,
            self.plan.options.codec if self.bot.video else None,
            encodings,
        )

    def publish(self, offered: Offered, answer: Described) -> None:
        """Connect to what the target answered and send."""
        transport = self._publishing
        self.ledger.opened(transport, self.bot, decides=True)
        commands: list[Command] = [self._open(transport, offered.credentials, answer.peer)]
        for line in answer.lines:
            encodings = self._encodings(offered, line)
            commands.append(self._publish(transport, line, encodings))
        self.swarm.send(commands)

    def send_only(self, mid: str, rids: list[str]) -> None:
        """Send these encodings of a line; its others rest."""
        if mid in self._sent:
            stream, encodings = self._sent[mid]
            self.ledger.rested(stream, encodings - len(rids))
            self.swarm.send([SetActiveEncodings(stream=stream, rids=rids)])

    def play(self, credentials: Credentials, peer: Peer, incoming: Sequence[Incoming]) -> None:
        """Receive exactly these lines, connecting first where nothing was received before."""
        commands: list[Command] = []
        if self._playing is None:
            self._playing = self.swarm.new_id()
            self.ledger.opened(self._playing, self.bot, decides=not self.bot.sends)
            commands.append(self._open(self._playing, credentials, peer))
        wanted = {(one.line.mid, one.line.ssrc): one for one in incoming}
        gone = [key for key in self._streams if key not in wanted]
        commands += [StopReceiving(stream=self._streams.pop(key)) for key in gone]
        for key, one in wanted.items():
            if key not in self._streams:
                if self._received >= self._most_received:
                    self.ledger.fault("too_many_tracks", _TOO_MANY, self.bot)
                    break
                self._received += 1
                self._streams[key] = self.swarm.new_id()
                commands.append(self._receive(self._playing, self._streams[key], one))
        self.swarm.send(commands)

    def leave(self) -> None:
        """Close everything; what was measured stays."""
        self.swarm.send([CloseTransport(transport=transport) for transport in self._opened])
        self._opened.clear()

    def _open(self, transport: int, local: Credentials, peer: Peer) -> OpenTransport:
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

    def _encodings(self, offered: Offered, line: Line) -> list[EncodingParameters]:
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

    def _publish(self, transport: int, line: Line, encodings: list[EncodingParameters]) -> Publish:
        stream = self.swarm.new_id()
        self._sent[line.mid] = stream, len(encodings)
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

    def _receive(self, transport: int, stream: int, incoming: Incoming) -> Receive:
        line, publisher = incoming.line, incoming.publisher
        self.ledger.expects(stream, Expected(self.bot, publisher, line.kind, transport))
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
            feedback=list(line.feedback),
        )
