"""Decisions of tokens and hosts: sources, hidden participants, mutes, removal, expiry."""

import time
from typing import Any

import pytest

from sfukit.server.access import Rights
from sfukit.server.mock_engine import MockEngine
from sfukit.server.native_messages import Publish, SetMuted
from sfukit.server.server_context import ServerContext
from sfukit.server.settings import Limits
from sfukit.server.whep_viewer import WhepViewer, choose_publisher
from sfukit.signaling import sdp, token
from sfukit.signaling.refusal import Refusal
from sfukit.signaling.token import Claims, VideoGrants
from tests.unit.server.virtual import Peer, Timers, offer, virtual_context
from tests.unit.signaling.descriptions import audio, offer_of, text_of, video

KEY, SECRET = "key", "s" * 32


def guarded(**changes: Any) -> tuple[ServerContext, Timers]:
    return virtual_context(MockEngine(), api_keys={KEY: SECRET}, **changes)


def peer(
    context: ServerContext, uid: str, *, name: str = "", valid_s: int = 600, **grants: Any
) -> Peer:
    now = int(time.time())
    granted = VideoGrants(room_join=True, room_create=True, **grants)
    claims = Claims(KEY, uid, now - 60, now + valid_s, name, granted)
    return Peer(context, token=token.sign(claims, SECRET))


def host(context: ServerContext, uid: str = "host") -> Peer:
    return peer(context, uid, room_admin=True)


async def refusal(call: Any) -> str:
    with pytest.raises(Refusal) as caught:
        await call
    return caught.value.reason


@pytest.mark.parametrize(
    ("listed", "media", "source", "allowed"),
    [
        (["microphone"], audio(), "microphone", True),
        (["microphone"], video(), "microphone", False),
        (["microphone"], video(), None, False),
        (["camera"], audio(), "camera", False),
        (["screen_share_audio"], audio(), "screen_share_audio", True),
        (["screen_share_audio"], video(), "screen_share_audio", False),
        (["screen_share"], video(), "screen_share", True),
        (["whiteboard"], video(), "whiteboard", False),
        (None, video(), "whiteboard", True),
        (None, audio(), "microphone", True),
    ],
)
async def test_listed_sources_are_checked_against_the_kind(
    listed: list[str] | None, media: str, source: str | None, allowed: bool
) -> None:
    context, _ = guarded()
    speaker = peer(context, "ann", can_publish_sources=listed)
    sources = {} if source is None else {"0": source}
    joining = speaker.call("join", sid="demo", offer=offer(offer_of(media)), sources=sources)
    if allowed:
        assert (await joining).publications[0].source == source
    else:
        assert await refusal(joining) == "source_denied"
        assert not context.engine.commands_of(Publish)  # type: ignore[attr-defined]


async def test_a_token_for_the_microphone_publishes_no_video_by_renegotiation_either() -> None:
    context, _ = guarded()
    speaker = peer(context, "ann", can_publish_sources=["microphone", "camera"])
    await speaker.call("join", sid="demo", offer=offer(offer_of(audio(), video())))
    both = offer_of(audio(), video())
    for sources in ({"0": "screen_share_audio"}, {"1": "microphone"}, {"1": "screen_share"}):
        changed = speaker.call("offer", desc=offer(both), sources=sources)
        assert await refusal(changed) == "source_denied"
    swapped = speaker.call("offer", desc=offer(offer_of(video(), video())), sources={})
    assert (await swapped).publications[0].source == "camera"


async def test_an_unchanged_m_line_keeps_its_source_until_another_is_requested() -> None:
    context, _ = guarded()
    speaker = peer(context, "ann")
    text = offer(offer_of(video()))
    joined = await speaker.call("join", sid="demo", offer=text, sources={"0": "screen_share"})
    kept = await speaker.call("offer", desc=text)
    assert kept.publications == joined.publications
    changed = (await speaker.call("offer", desc=text, sources={"0": "canvas"})).publications[0]
    assert changed.source == "canvas"
    assert changed.publication != joined.publications[0].publication


async def test_publications_of_a_kind_are_limited_by_a_setting() -> None:
    context, _ = guarded(limits=Limits(max_publications_per_kind=2))
    speaker = peer(context, "ann", can_publish_sources=["camera", "microphone"])
    two = offer_of(video(), video(), audio(), audio())
    joined = await speaker.call("join", sid="demo", offer=offer(two))
    assert [entry.source for entry in joined.publications].count("camera") == 2
    third = speaker.call("offer", desc=offer(offer_of(video(), video(), video())))
    assert await refusal(third) == "too_many_media"
    assert Limits().max_publications_per_kind == 8


async def test_the_name_of_the_token_takes_precedence() -> None:
    context, timers = guarded()
    watching = host(context)
    await watching.call("join", sid="demo")
    await peer(context, "ann", name="Ann").call("join", sid="demo", name="The host")
    await peer(context, "bob").call("join", sid="demo", name="Bob")
    timers.advance(1)
    joined = watching.channel.take("participant-joined")
    assert [note["name"] for note in joined if note["uid"] != "host"] == ["Ann", "Bob"]


async def test_a_hidden_participant_is_not_visible_and_cannot_publish() -> None:
    context, timers = guarded()
    hidden, other = peer(context, "spy", hidden=True), peer(context, "ann")
    published = hidden.call("join", sid="demo", offer=offer(offer_of(video())))
    assert await refusal(published) == "publish_denied"
    assert (await hidden.call("join", sid="demo")).role == "audience"
    late = hidden.call("offer", desc=offer(offer_of(video())))
    assert await refusal(late) == "publish_denied"
    joined = await other.call("join", sid="demo")
    timers.advance(1)
    assert (joined.participants, joined.participant_count) == ([], 1)
    assert [note["uid"] for note in other.channel.take("participant-joined")] == ["ann"]
    named = other.call("message", to="spy", data=1)
    assert await refusal(named) == "participant_unknown"
    assert await other.call("message", data=1) == {"delivered": 0}
    assert len(hidden.channel.take("message")) == 1
    with pytest.raises(Refusal, match="not_live"):
        choose_publisher(context.rooms.find("demo"), "spy")


async def test_a_mute_by_a_host_is_not_undone_by_the_publisher() -> None:
    context, timers = guarded()
    moderator, speaker = host(context), peer(context, "ann")
    await moderator.call("join", sid="demo")
    text = offer(offer_of(audio(), video()))
    joined = await speaker.call("join", sid="demo", offer=text)
    number = joined.publications[0].publication
    await speaker.call("mute", publication=number, muted=True)
    await speaker.call("mute", publication=number, muted=False)
    await moderator.call("mute", publication=number, muted=True)
    unmuting = speaker.call("mute", publication=number, muted=False)
    assert await refusal(unmuting) == "muted_by_host"

    renegotiated = await speaker.call("offer", desc=text, sources={"0": "screen_share_audio"})
    again = {entry.kind: entry for entry in renegotiated.publications}
    assert (again["audio"].muted, again["video"].muted) == (True, False)
    unmuting = speaker.call("mute", publication=again["audio"].publication, muted=False)
    assert await refusal(unmuting) == "muted_by_host"

    await speaker.call("leave")
    back = await peer(context, "ann").call("join", sid="demo", offer=text)
    number = next(entry.publication for entry in back.publications if entry.kind == "audio")
    assert context.engine.commands_of(SetMuted)[-1] == SetMuted(  # type: ignore[attr-defined]
        id=0, publication=number, muted=True
    )
    timers.advance(1)
    told = moderator.channel.take("publication-added")
    assert [note["muted"] for note in told if note["publication"] == number] == [True]

    await moderator.call("mute", publication=number, muted=False)
    fresh = await peer(context, "ann").call("join", sid="demo", offer=text)
    assert not any(entry.muted for entry in fresh.publications)


async def test_what_a_participant_muted_itself_a_host_may_keep_muted() -> None:
    context, _ = guarded()
    moderator, speaker = host(context), peer(context, "ann")
    await moderator.call("join", sid="demo")
    joined = await speaker.call("join", sid="demo", offer=offer(offer_of(audio())))
    number = joined.publications[0].publication
    for caller in (speaker, moderator):
        await caller.call("mute", publication=number, muted=True)
    assert len(context.engine.commands_of(SetMuted)) == 1  # type: ignore[attr-defined]
    unmuting = speaker.call("mute", publication=number, muted=False)
    assert await refusal(unmuting) == "muted_by_host"


async def test_a_host_removes_a_member_and_others_may_not() -> None:
    context, timers = guarded()
    moderator, speaker, other = host(context), peer(context, "ann"), peer(context, "bob")
    for member in (moderator, speaker, other):
        await member.call("join", sid="demo")
    assert await refusal(other.call("remove", uid="ann")) == "admin_denied"
    assert await moderator.call("remove", uid="ann") == {}
    assert (speaker.channel.close_reason, other.channel.close_reason) == ("removed", None)
    timers.advance(1)
    assert other.channel.take("participant-left") == [{"uid": "ann", "reason": "removed"}]
    for uid in ("ann", "host"):
        assert await refusal(moderator.call("remove", uid=uid)) == "participant_unknown"


async def test_a_host_closes_the_room_with_a_reason() -> None:
    context, timers = guarded()
    moderator, other = host(context), peer(context, "bob")
    for member in (moderator, other):
        await member.call("join", sid="demo")
    assert await refusal(other.call("close-room")) == "admin_denied"
    assert await moderator.call("close-room") == {}
    assert moderator.channel.close_reason is None  # the answer comes first
    timers.advance(0)
    assert [member.channel.close_reason for member in (moderator, other)] == ["room_closed"] * 2
    assert not context.rooms.any


@pytest.mark.parametrize("ends", [True, False])
async def test_a_membership_ends_with_its_token_where_that_is_set(
    ends: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, timers = guarded(end_at_exp=ends)
    start_s = time.time()
    monkeypatch.setattr(time, "time", lambda: start_s + timers.now_s)
    long, short = peer(context, "ann", valid_s=7200), peer(context, "bob", valid_s=60)
    config = {"no_subscribe": True}
    await long.call("join", sid="demo", config=config)
    await short.call("join", sid="demo", config=config)
    timers.advance(58)
    assert short.channel.close_reason is None
    timers.advance(5)
    assert short.channel.close_reason == ("token_expired" if ends else None)
    timers.advance(7000)
    assert long.channel.close_reason is None
    timers.advance(200)
    assert long.channel.close_reason == ("token_expired" if ends else None)


async def test_a_viewer_ends_with_its_token(monkeypatch: pytest.MonkeyPatch) -> None:
    context, timers = guarded(end_at_exp=True)
    start_s = time.time()
    monkeypatch.setattr(time, "time", lambda: start_s + timers.now_s)
    await peer(context, "ann").call("join", sid="demo", offer=offer(offer_of(video())))
    room, publisher = choose_publisher(context.rooms.find("demo"), None)
    rights = Rights(identity="eve", expires_s=int(start_s) + 20)
    viewer = WhepViewer(context.core, room, publisher, None, rights, trace_id="")
    viewer.negotiate(sdp.parse(text_of("chromium-viewer-offer")))
    context.rooms.admit_viewer(room, viewer)
    await viewer.start()
    timers.advance(18)
    assert viewer.leave_reason is None
    timers.advance(3)
    assert viewer.leave_reason == "token_expired"
