"""Through the door: DTLS over the best path, then the first packet that comes back."""

import asyncio
import secrets
from collections.abc import Sequence

from sfukit.media import catalog
from sfukit.probe import reach
from sfukit.probe.check.ice import Tried
from sfukit.probe.check.options import Limits
from sfukit.probe.check.tap import Tap
from sfukit.probe.course import Course, StepFailedError
from sfukit.signaling.descriptions import Described, Encoding, Line, Offered
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
        self._taps: list[Tap] = []
        self._refused = ""
        swarm.listen(self._hear, lambda _command, error: self._note_refusal(error.message))
        swarm.send(
            [
                AddBot(bot=_BOT, name="check", scheduled_ns=swarm.now_ns()),
                LoadClip(clip=_AUDIO_CLIP, path=str(catalog.audio_clip())),
                LoadClip(clip=_VIDEO_CLIP, path=str(catalog.video_clip("vp8", catalog.LOW))),
            ]
        )

    def offered(self, credentials: Credentials) -> Offered:
        """Choose what is published: sound, and one small encoding of video."""
        first = secrets.randbelow(0x7FFF_0000) + 1
        video = [Encoding(None, first + 1, first + 2)]
        return Offered(credentials, self._swarm.info.fingerprint, first, "vp8", video)

    @property
    def fingerprint(self) -> str:
        """The certificate of the bot."""
        return self._swarm.info.fingerprint

    async def connect(
        self, course: Course, local: Credentials, answer: Described, path: Tried
    ) -> tuple[int, Tap]:
        """Take the step ``dtls`` over one path; return the transport and what watches it."""
        with course.step("dtls") as note:
            tap = await self._tapped(path)
            transport = self._open(local, answer, tap)
            done, _ = await asyncio.wait([self._states[transport]], timeout=self._limits.dtls_s)
            state = self._states[transport].result() if done else None
            if state is None or state.state != "connected":
                raise self._dtls_fault(tap, state)
            note.ms = state.dtls_ms
            note.found = f"{state.srtp_profile or 'connected'}"
        return transport, tap

    async def first_packet(self, course: Course, tap: Tap, expects: str) -> None:
        """Take the step ``media``: something encrypted has to come back."""
        with course.step("media") as note:
            try:
                async with asyncio.timeout(self._limits.media_s):
                    await tap.media.wait()
            except TimeoutError as error:
                raise StepFailedError(
                    "no_media",
                    f"connected, but no packet came back within {self._limits.media_s:.3g} s",
                    "look at the server's load and log: it has the transport, and sends nothing",
                ) from error
            kind = "RTP" if tap.received.counts["rtp"] else "RTCP"
            note.found = f"first {kind} packet back{expects}"

    def publish(self, transport: int, offered: Offered, lines: Sequence[Line]) -> None:
        """Send sound and video from now on."""
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
        """Let go of every socket."""
        for tap in self._taps:
            tap.close()
        self._swarm.close()

    async def _tapped(self, path: Tried) -> Tap:
        """Open the path; a port that answered a check may take no second connection."""
        tap, limit_s = Tap(), self._limits.tcp_s
        self._taps.append(tap)
        try:
            async with asyncio.timeout(limit_s):
                await tap.open(path.candidate.transport, path.address)
        except OSError as error:
            raise reach.tcp_fault(error, path.address, limit_s) from error
        return tap

    def _open(self, local: Credentials, answer: Described, tap: Tap) -> int:
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
                        candidates=[Candidate(ip=tap.address.ip, port=tap.address.port)],
                    ),
                    dtls_role="client" if peer.bot_is_dtls_client else "server",
                    cname="check",
                )
            ]
        )
        return transport

    def _hear(self, event: Event) -> None:
        if isinstance(event, TransportState):
            waiting = self._states.get(event.transport)
            if waiting is not None and not waiting.done():
                waiting.set_result(event)

    def _note_refusal(self, message: str) -> None:
        self._refused = self._refused or message

    def _dtls_fault(self, tap: Tap, state: TransportState | None) -> StepFailedError:
        """Say how far the handshake came."""
        reason = state.reason if state is not None else ""
        if "fingerprint" in reason:
            return StepFailedError(
                "fingerprint_mismatch",
                "the server's certificate is not the one its answer names",
                "does something between rewrite the SDP, or does another server answer there?",
            )
        sent, received = tap.sent.counts["dtls"], tap.received.counts["dtls"]
        if not sent and not received:
            return StepFailedError(
                "ice_incomplete",
                f"a check was answered, but the path was not taken {self._refused}".strip(),
                "is a NAT or balancer between that changes ports per packet?",
            )
        if not received:
            return StepFailedError(
                "dtls_no_answer",
                f"ICE works, but none of {sent} DTLS packets was answered",
                "does a firewall let only STUN pass, or only small packets?",
            )
        return StepFailedError(
            "dtls_broken",
            f"the handshake stopped after {received} packets{f' ({reason})' if reason else ''}",
            "do both sides share an SRTP profile (--srtp)? is the path's MTU below 1200 bytes?",
        )


def _encoding(offered: Offered, line: Line) -> EncodingParameters:
    if line.kind == "audio":
        return EncodingParameters(ssrc=offered.audio_ssrc or 0, clip=_AUDIO_CLIP)
    only = offered.encodings[0]
    repaired = only.rtx_ssrc if line.rtx_payload_type is not None else None
    return EncodingParameters(ssrc=only.ssrc, rtx_ssrc=repaired, clip=_VIDEO_CLIP)
