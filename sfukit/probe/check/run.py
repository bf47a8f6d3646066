"""One check from DNS to the first media packet; it ends at the first step that fails."""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx

from sfukit.probe.check import endpoint, ice, ice_causes, rejected_media, report
from sfukit.probe.check.http_signaling import HttpSignalingClient
from sfukit.probe.check.ice import CheckedCandidate
from sfukit.probe.check.media import Media
from sfukit.probe.check.options import CheckOptions
from sfukit.probe.check.report import CandidateReport, CheckReport
from sfukit.probe.check.room_signaling import RoomSignalingClient
from sfukit.probe.check.signaling import Answer, Role, SignalingClient, token_in
from sfukit.probe.finding import Step, Stopwatch
from sfukit.probe.steps import StepFailedError, StepRecorder
from sfukit.signaling import descriptions
from sfukit.signaling.descriptions import RemoteDescription
from sfukit.signaling.sdp import SdpError
from sfukit.signaling.transport import Credentials
from sfukit.swarm.messages import SwarmConfig
from sfukit.swarm.native import NativeSwarm
from sfukit.targets import access, room_socket
from sfukit.targets.detect import BY_ADAPTER, DetectedTarget

_TOKEN_S = 60.0


@dataclass
class _Progress:
    """The results so far, which are reported after a failure as well."""

    found: DetectedTarget | None = None
    server_ip: str = ""
    candidates: list[CandidateReport] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


Adapters = Callable[[DetectedTarget, CheckOptions, httpx.AsyncClient], SignalingClient]
"""Returns the signaling of a server of another project."""


async def check(
    options: CheckOptions,
    on_step: Callable[[Step], None] | None = None,
    adapters: Adapters | None = None,
) -> CheckReport:
    """Run every step; ``on_step`` is called with each as it ends."""
    recorder, progress, watch = StepRecorder(on_step), _Progress(), Stopwatch()
    failure: Step | None = None
    interrupted = False
    try:
        await _run_steps(recorder, progress, options, adapters)
    except StepFailedError:
        failure = recorder.steps[-1]
    except asyncio.CancelledError:  # Ctrl-C: the results so far are reported
        interrupted = True
    return report.build(
        target=options.target.url,
        kind=progress.found.kind if progress.found else None,
        version=progress.found.version if progress.found else None,
        steps=recorder.steps,
        failure=failure,
        candidates=progress.candidates,
        notes=progress.notes,
        total_ms=watch.ms,
        wanted=options.gates,
        interrupted=interrupted,
    )


async def _run_steps(
    recorder: StepRecorder, progress: _Progress, options: CheckOptions, adapters: Adapters | None
) -> None:
    room, _ = options.room_and_identity()
    url = access.fill_in(options.target.url, room, 1)
    context = access.tls(options.access, url)
    progress.server_ip = await endpoint.connect(recorder, url, context, options)
    async with httpx.AsyncClient(
        verify=context if context is not None else True,
        timeout=options.limits.answer_s,
        trust_env=False,
    ) as client:
        progress.found = await endpoint.identify(
            recorder,
            options.target._replace(url=url),
            client,
            options.access,
            has_adapters=adapters is not None,
        )
        if adapters is not None and progress.found.kind in BY_ADAPTER:
            signaling = adapters(progress.found, options, client)
        else:
            signaling = _signaling_client(progress.found, options, client, context)
        swarm = NativeSwarm(SwarmConfig(srtp=options.srtp, gro=False))
        media = Media(swarm, options.limits)
        try:
            await _publish_and_play(recorder, progress, options, client, signaling, media)
        finally:
            media.close()


async def _publish_and_play(
    recorder: StepRecorder,
    progress: _Progress,
    options: CheckOptions,
    client: httpx.AsyncClient,
    signaling: SignalingClient,
    media: Media,
) -> None:
    """Publish, or play from a WHEP target; then play the published stream, if requested."""
    assert progress.found is not None
    try:
        if progress.found.kind == "whep":
            await _play(recorder, progress, options, media, signaling)
            return
        await _publish(recorder, progress, options, media, signaling)
        if options.play is not None:
            recorder.prefix = report.PLAY
            player = _http_signaling_client(
                options.play, "subscriber", options, client, retry_s=options.limits.media_s
            )
            try:
                await _play(recorder, progress, options, media, player)
            finally:
                await player.leave()
    finally:
        await signaling.leave()


async def _publish(
    recorder: StepRecorder,
    progress: _Progress,
    options: CheckOptions,
    media: Media,
    signaling: SignalingClient,
) -> None:
    credentials = descriptions.new_credentials()
    offered = media.offered(credentials)
    reply = await signaling.exchange(recorder, descriptions.publish_offer(offered))
    answer = _read(recorder, progress, reply, "publisher")
    path = await _ice(recorder, progress, options, credentials, answer)
    transport, forwarder = await media.connect(recorder, credentials, answer, path)
    media.publish(transport, offered, answer.lines)
    await media.first_packet(recorder, forwarder, "")


async def _play(
    recorder: StepRecorder,
    progress: _Progress,
    options: CheckOptions,
    media: Media,
    signaling: SignalingClient,
) -> None:
    credentials = descriptions.new_credentials()
    offer = descriptions.play_offer(credentials, media.fingerprint, audio=True, video=True)
    answer = _read(recorder, progress, await signaling.exchange(recorder, offer), "subscriber")
    path = await _ice(recorder, progress, options, credentials, answer)
    _, forwarder = await media.connect(recorder, credentials, answer, path)
    await media.first_packet(recorder, forwarder, " of the stream")


def _read(
    recorder: StepRecorder, progress: _Progress, answer: Answer, role: Role
) -> RemoteDescription:
    """Run the step ``sdp``: parse the answer."""
    with recorder.step("sdp") as note:
        note.ms = answer.ms
        progress.notes += answer.notes
        try:
            described = descriptions.read_answer(answer.sdp)
        except SdpError as error:
            raise StepFailedError(
                "answer_unusable", f"the answer is no usable SDP: {error}", "see the server's log"
            ) from error
        off = rejected_media.describe(described, role)
        if not described.lines:
            raise StepFailedError(
                "codec_unsupported",
                "the answer accepts neither VP8 nor Opus" + (f" ({'; '.join(off)})" if off else ""),
                "let the server accept VP8 or Opus",
            )
        progress.notes += off
        note.found = "answer with " + ", ".join(line.codec for line in described.lines)
        note.found += "".join(f"; {one}" for one in off)
    return described


async def _ice(
    recorder: StepRecorder,
    progress: _Progress,
    options: CheckOptions,
    credentials: Credentials,
    answer: RemoteDescription,
) -> CheckedCandidate:
    """Run the step ``ice`` for each candidate; return the first that answers."""
    checked = await ice.check_all(
        ice.sorted_candidates(answer), credentials, answer, options.limits.ice_s
    )
    progress.candidates += [one.report() for one in checked]
    for one in checked:
        recorder.add(ice.step_of(one))
    answering = [one for one in checked if one.reason is None]
    if not answering:
        failed = ice_causes.fault(checked, progress.server_ip)
        recorder.failed("ice", failed)
        raise failed
    return answering[0]


def _signaling_client(
    found: DetectedTarget,
    options: CheckOptions,
    client: httpx.AsyncClient,
    context: ssl.SSLContext | None,
) -> SignalingClient:
    if found.kind != "sfukit":
        role: Role = "subscriber" if found.kind == "whep" else "publisher"
        return _http_signaling_client(options.target.url, role, options, client)
    room, identity = options.room_and_identity()
    headers = access.headers(options.access, room, identity, _TOKEN_S)
    return RoomSignalingClient(
        room_socket.address(found.url),
        room,
        identity,
        headers=headers,
        token=token_in(headers),
        tls=context,
        limit_s=options.limits.answer_s,
        allowed=options.access.allow_hosts,
        clients=options.clients,
    )


def _http_signaling_client(
    url: str,
    role: Role,
    options: CheckOptions,
    client: httpx.AsyncClient,
    *,
    retry_s: float = 0.0,
) -> HttpSignalingClient:
    room, identity = options.room_and_identity()
    granted = room if "{room}" in url else ""  # a URL without {room} may be for any room
    filled = access.fill_in(url, room, 1)
    return HttpSignalingClient(
        client,
        filled,
        access.credentials(options.access, filled, granted, identity, _TOKEN_S),
        role=role,
        limit_s=options.limits.answer_s,
        retry_s=retry_s,
        clients=options.clients,
    )
