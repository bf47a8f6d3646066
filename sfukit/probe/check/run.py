"""One check from the name to the first packet back; it ends at the first step that fails."""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx

from sfukit.probe.check import door, ice, ice_causes, media_off, report
from sfukit.probe.check.entry import Answer, Entry, Role, token_in
from sfukit.probe.check.http_entry import HttpEntry
from sfukit.probe.check.ice import Tried
from sfukit.probe.check.media import Media
from sfukit.probe.check.options import CheckOptions
from sfukit.probe.check.report import CandidateReport, CheckReport
from sfukit.probe.check.room_entry import RoomEntry
from sfukit.probe.course import Course, StepFailedError
from sfukit.probe.finding import Step, Stopwatch
from sfukit.signaling import descriptions
from sfukit.signaling.descriptions import Described
from sfukit.signaling.sdp import SdpError
from sfukit.signaling.transport import Credentials
from sfukit.swarm.messages import SwarmConfig
from sfukit.swarm.native import NativeSwarm
from sfukit.targets import access, room_socket
from sfukit.targets.recognise import Found

_TOKEN_S = 60.0


@dataclass
class _Learnt:
    """What is known so far; whatever fails later, this is reported."""

    found: Found | None = None
    server_ip: str = ""
    candidates: list[CandidateReport] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


async def check(options: CheckOptions, hear: Callable[[Step], None] | None = None) -> CheckReport:
    """Take every step; ``hear`` is told of each as it ends."""
    course, learnt, watch = Course(hear), _Learnt(), Stopwatch()
    failure: Step | None = None
    interrupted = False
    try:
        await _take(course, learnt, options)
    except StepFailedError:
        failure = course.steps[-1]
    except asyncio.CancelledError:  # Ctrl-C: what is known is reported all the same
        interrupted = True
    return report.build(
        target=options.target.url,
        kind=learnt.found.kind if learnt.found else None,
        version=learnt.found.version if learnt.found else None,
        steps=course.steps,
        failure=failure,
        candidates=learnt.candidates,
        notes=learnt.notes,
        total_ms=watch.ms,
        wanted=options.gates,
        interrupted=interrupted,
    )


async def _take(course: Course, learnt: _Learnt, options: CheckOptions) -> None:
    room, _ = options.seat()
    url = access.fill_in(options.target.url, room, 1)
    context = access.tls(options.access, url)
    learnt.server_ip = await door.approach(course, url, context, options)
    async with httpx.AsyncClient(
        verify=context if context is not None else True,
        timeout=options.limits.answer_s,
        trust_env=False,
    ) as client:
        learnt.found = await door.ask(course, options.target._replace(url=url), client)
        swarm = NativeSwarm(SwarmConfig(srtp=options.srtp, gro=False))
        media = Media(swarm, options.limits)
        try:
            await _legs(course, learnt, options, client, context, media)
        finally:
            media.close()


async def _legs(
    course: Course,
    learnt: _Learnt,
    options: CheckOptions,
    client: httpx.AsyncClient,
    context: ssl.SSLContext | None,
    media: Media,
) -> None:
    """Publish, or play where the target is for that; then play what was published, if asked."""
    assert learnt.found is not None
    entry = _entry(learnt.found, options, client, context)
    try:
        if learnt.found.kind == "whep":
            await _play(course, learnt, options, media, entry)
            return
        await _publish(course, learnt, options, media, entry)
        if options.play is not None:
            course.prefix = report.PLAY
            player = _http_entry(
                options.play, "subscriber", options, client, patience_s=options.limits.media_s
            )
            try:
                await _play(course, learnt, options, media, player)
            finally:
                await player.leave()
    finally:
        await entry.leave()


async def _publish(
    course: Course, learnt: _Learnt, options: CheckOptions, media: Media, entry: Entry
) -> None:
    credentials = descriptions.new_credentials()
    offered = media.offered(credentials)
    reply = await entry.exchange(course, descriptions.publish_offer(offered))
    answer = _read(course, learnt, reply, "publisher")
    path = await _ice(course, learnt, options, credentials, answer)
    transport, tap = await media.connect(course, credentials, answer, path)
    media.publish(transport, offered, answer.lines)
    await media.first_packet(course, tap, "")


async def _play(
    course: Course, learnt: _Learnt, options: CheckOptions, media: Media, entry: Entry
) -> None:
    credentials = descriptions.new_credentials()
    offer = descriptions.play_offer(credentials, media.fingerprint, audio=True, video=True)
    answer = _read(course, learnt, await entry.exchange(course, offer), "subscriber")
    path = await _ice(course, learnt, options, credentials, answer)
    _, tap = await media.connect(course, credentials, answer, path)
    await media.first_packet(course, tap, " of the stream")


def _read(course: Course, learnt: _Learnt, answer: Answer, role: Role) -> Described:
    """Take the step ``sdp``: an answer that media can be sent by."""
    with course.step("sdp") as note:
        note.ms = answer.ms
        learnt.notes += answer.notes
        try:
            described = descriptions.read_answer(answer.sdp)
        except SdpError as error:
            raise StepFailedError(
                "answer_unusable", f"the answer is no usable SDP: {error}", "see the server's log"
            ) from error
        off = media_off.listed(described, role)
        if not described.lines:
            raise StepFailedError(
                "codec_unsupported",
                "the answer takes neither VP8 nor Opus" + (f" ({'; '.join(off)})" if off else ""),
                "let the server accept VP8 or Opus",
            )
        learnt.notes += off
        note.found = "answer with " + ", ".join(line.codec for line in described.lines)
        note.found += "".join(f"; {one}" for one in off)
    return described


async def _ice(
    course: Course,
    learnt: _Learnt,
    options: CheckOptions,
    credentials: Credentials,
    answer: Described,
) -> Tried:
    """Take the step ``ice`` for each candidate; return the best that answers."""
    tried = await ice.try_all(ice.listed(answer), credentials, answer, options.limits.ice_s)
    learnt.candidates += [one.report() for one in tried]
    for one in tried:
        course.add(ice.step_of(one))
    answering = [one for one in tried if one.reason is None]
    if not answering:
        failed = ice_causes.fault(tried, learnt.server_ip)
        course.failed("ice", failed)
        raise failed
    return answering[0]


def _entry(
    found: Found, options: CheckOptions, client: httpx.AsyncClient, context: ssl.SSLContext | None
) -> Entry:
    if found.kind != "sfukit":
        role: Role = "subscriber" if found.kind == "whep" else "publisher"
        return _http_entry(options.target.url, role, options, client)
    room, identity = options.seat()
    headers = access.headers(options.access, room, identity, _TOKEN_S)
    return RoomEntry(
        room_socket.address(found.url),
        room,
        identity,
        headers=headers,
        token=token_in(headers),
        tls=context,
        limit_s=options.limits.answer_s,
        allowed=options.access.allow_hosts,
    )


def _http_entry(
    url: str,
    role: Role,
    options: CheckOptions,
    client: httpx.AsyncClient,
    *,
    patience_s: float = 0.0,
) -> HttpEntry:
    room, identity = options.seat()
    granted = room if "{room}" in url else ""  # a URL without it may be for any room
    filled = access.fill_in(url, room, 1)
    return HttpEntry(
        client,
        filled,
        access.credentials(options.access, filled, granted, identity, _TOKEN_S),
        role=role,
        limit_s=options.limits.answer_s,
        patience_s=patience_s,
    )
