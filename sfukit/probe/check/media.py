"""The steps after ICE: DTLS on the best candidate, then the first media packet received."""

import asyncio
import secrets
from collections.abc import Sequence

from sfukit.media import catalog
from sfukit.probe import reach
from sfukit.probe.check.forwarder import Forwarder
from sfukit.probe.check.ice import CheckedCandidate
from sfukit.probe.check.options import Limits
from sfukit.probe.steps import StepFailedError, StepRecorder
from sfukit.signaling.descriptions import Encoding, MediaLine, OfferParameters, RemoteDescription
from sfukit.signaling.transport import Credentials
from sfukit.swarm.messages import (
    AddBot,
    Candidate,
    Command,
    EncodingParameters,
    Event,
    LoadClip,
    LocalParameters,
    OpenTransport,
    Publish,
    RemoteParameters,
    TransportState,
)
from sfukit.swarm.native import Swarm

_BOT = 1
_AUDIO_CLIP, _VIDEO_CLIP = 1, 2


class Media:
    """One bot of the swarm, which publishes on one transport and may play on another."""

    def __init__(self, swarm: Swarm, limits: Limits) -> None:
        self._swarm = swarm
        self._limits = limits
        self._states: dict[int, asyncio.Future[TransportState]] = {}
        self._forwarders: list[Forwarder] = []
        self._refused = ""
        swarm.listen(self._on_event, lambda _command, error: self._note_refusal(error.message))
        swarm.send(
            [
                AddBot(bot=_BOT, name="check", scheduled_ns=swarm.now_ns()),
                LoadClip(clip=_AUDIO_CLIP, path=str(catalog.audio_clip())),
                LoadClip(clip=_VIDEO_CLIP, path=str(catalog.video_clip("vp8", catalog.LOW))),
            ]
        )

    def offered(self, credentials: Credentials) -> OfferParameters:
        """Return the offer parameters: audio, and one low encoding of video."""
        first = secrets.randbelow(0x7FFF_0000) + 1
        video = [Encoding(None, first + 1, first + 2)]
        return OfferParameters(credentials, self._swarm.info.fingerprint, first, "vp8", video)

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the bot's certificate."""
        return self._swarm.info.fingerprint

    async def connect(
        self,
        recorder: StepRecorder,
        local: Credentials,
        answer: RemoteDescription,
        path: CheckedCandidate,
    ) -> tuple[int, Forwarder]:
        """Run the step ``dtls`` on one candidate; return the transport and its forwarder."""
        with recorder.step("dtls") as note:
            forwarder = await self._open_forwarder(path)
            transport = self._open(local, answer, forwarder)
            done, _ = await asyncio.wait([self._states[transport]], timeout=self._limits.dtls_s)
            state = self._states[transport].result() if done else None
            if state is None or state.state != "connected":
                raise self._dtls_fault(forwarder, state)
            note.ms = state.dtls_ms
            note.found = f"{state.srtp_profile or 'connected'}"
        return transport, forwarder

    async def first_packet(
        self, recorder: StepRecorder, forwarder: Forwarder, expects: str
    ) -> None:
        """Run the step ``media``: wait for the first SRTP or SRTCP packet."""
        with recorder.step("media") as note:
            try:
                async with asyncio.timeout(self._limits.media_s):
                    await forwarder.media.wait()
            except TimeoutError as error:
                raise StepFailedError(
                    "no_media",
                    f"connected, but no packet was received within {self._limits.media_s:.3g} s",
                    "check the server's load and log: it has the transport, and sends nothing",
                ) from error
            kind = "RTP" if forwarder.received.counts["rtp"] else "RTCP"
            note.found = f"first {kind} packet received{expects}"

    def publish(self, transport: int, offered: OfferParameters, lines: Sequence[MediaLine]) -> None:
        """Start sending audio and video."""
        commands: list[Command] = [
            Publish(
                transport=transport,
                stream=self._swarm.new_id(),
                mid=line.mid,
                payload_type=line.payload_type,
                rtx_payload_type=line.rtx_payload_type,
                extensions=line.extensions,
                encodings=[_encoding(offered, line)],
                source_id=1,
                start_ns=self._swarm.now_ns(),
            )
            for line in lines
        ]
        self._swarm.send(commands)

    def close(self) -> None:
        """Close every socket."""
        for forwarder in self._forwarders:
            forwarder.close()
        self._swarm.close()

    async def _open_forwarder(self, path: CheckedCandidate) -> Forwarder:
        """Open the forwarder; a TCP port that answered a check may refuse a second connection."""
        forwarder, limit_s = Forwarder(), self._limits.tcp_s
        self._forwarders.append(forwarder)
        try:
            async with asyncio.timeout(limit_s):
                await forwarder.open(path.candidate.transport, path.address)
        except OSError as error:
            raise reach.tcp_fault(error, path.address, limit_s) from error
        return forwarder

    def _open(self, local: Credentials, answer: RemoteDescription, forwarder: Forwarder) -> int:
        transport, peer = self._swarm.new_id(), answer.peer
        self._states[transport] = asyncio.get_running_loop().create_future()
        self._swarm.send(
            [
                OpenTransport(
                    bot=_BOT,
                    transport=transport,
                    local=LocalParameters(ufrag=local.ufrag, pwd=local.pwd),
                    remote=RemoteParameters(
                        ufrag=peer.ufrag,
                        pwd=peer.pwd,
                        fingerprints=peer.fingerprints,
                        candidates=[
                            Candidate(ip=forwarder.address.ip, port=forwarder.address.port)
                        ],
                    ),
                    dtls_role="client" if peer.bot_is_dtls_client else "server",
                    cname="check",
                )
            ]
        )
        return transport

    def _on_event(self, event: Event) -> None:
        if isinstance(event, TransportState):
            waiting = self._states.get(event.transport)
            if waiting is not None and not waiting.done():
                waiting.set_result(event)

    def _note_refusal(self, message: str) -> None:
        self._refused = self._refused or message

    def _dtls_fault(self, forwarder: Forwarder, state: TransportState | None) -> StepFailedError:
        """Return the failure of the handshake."""
        reason = state.reason if state is not None else ""
        if "fingerprint" in reason:
            return StepFailedError(
                "fingerprint_mismatch",
                "the fingerprint of the server's certificate is not that of its answer",
                "does a proxy rewrite the SDP, or does another server answer?",
            )
        sent, received = forwarder.sent.counts["dtls"], forwarder.received.counts["dtls"]
        if not sent and not received:
            return StepFailedError(
                "ice_incomplete",
                f"a check was answered, but no DTLS followed {self._refused}".strip(),
                "is there a NAT or load balancer that changes ports per packet?",
            )
        if not received:
            return StepFailedError(
                "dtls_no_answer",
                f"ICE works, but none of {sent} DTLS packets was answered",
                "does a firewall allow only STUN, or only small packets?",
            )
        return StepFailedError(
            "dtls_broken",
            f"the handshake stopped after {received} packets{f' ({reason})' if reason else ''}",
            "do both sides share an SRTP profile (--srtp)? is the path's MTU below 1200 bytes?",
        )


def _encoding(offered: OfferParameters, line: MediaLine) -> EncodingParameters:
    if line.kind == "audio":
        return EncodingParameters(ssrc=offered.audio_ssrc or 0, clip=_AUDIO_CLIP)
    only = offered.encodings[0]
    repaired = only.rtx_ssrc if line.rtx_payload_type is not None else None
    return EncodingParameters(ssrc=only.ssrc, rtx_ssrc=repaired, clip=_VIDEO_CLIP)
