"""Tokens: which rooms and methods they allow."""

from typing import Any

import pytest

from sfukit.server.native_messages import RoomStats
from sfukit.signaling.refusal import Refusal
from sfukit.signaling.token import VideoGrants, claims_for, sign
from tests.unit.server.stage import Member, RpcError, Stage, StageMaker, offer_text

SECRET = "a-secret-of-at-least-thirty-two-bytes"
OFFER = {"type": "offer", "sdp": offer_text()}


def token(uid: str = "ann", *, valid_s: int = 3600, **grants: Any) -> str:
    # Parameters are made when tests are collected: a token has to outlive the whole run.
    video = VideoGrants(**{"room": "demo", "room_join": True, "room_create": True, **grants})
    return sign(claims_for("key", uid, video, valid_s=valid_s), SECRET)


@pytest.fixture
async def keyed(make_stage: StageMaker) -> Stage:
    """A server with API keys."""
    return await make_stage(api_keys={"key": SECRET})


async def member(stage: Stage, bearer: str) -> Member:
    return await stage.member(headers={"Authorization": f"Bearer {bearer}"})


async def refusal(stage: Stage, bearer: str | None, **params: Any) -> tuple[int, str]:
    headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
    one = await stage.member(headers=headers)
    with pytest.raises(RpcError) as caught:
        await one.call("join", **{"sid": "demo", "offer": OFFER, **params})
    return caught.value.code, caught.value.reason or ""


async def test_the_subject_of_a_token_is_the_uid(keyed: Stage) -> None:
    ann = await member(keyed, token())
    result = await ann.call("join", sid="demo", offer=OFFER)
    assert (result["uid"], result["role"]) == ("ann", "speaker")


async def test_a_browser_passes_its_token_in_the_query(keyed: Stage) -> None:
    url = keyed.url("/ws") + f"?access_token={token()}"
    ann = Member(await keyed.session.ws_connect(url))
    assert (await ann.call("join", sid="demo"))["uid"] == "ann"


@pytest.mark.parametrize(
    ("bearer", "params", "code", "reason"),
    [
        (token(room="other"), {}, -32002, "room_denied"),
        (token(room_join=False), {}, -32002, "join_denied"),
        (token(room_create=False), {}, -32002, "create_denied"),
        (token(can_publish=False), {}, -32002, "publish_denied"),
        (token(can_publish_sources=["microphone"]), {}, -32002, "source_denied"),
        (token(), {"uid": "bob"}, -32002, "identity_denied"),
        (token(""), {}, -32001, "token_invalid"),
    ],
)
async def test_what_a_token_does_not_allow_is_refused(
    keyed: Stage, bearer: str | None, params: dict[str, Any], code: int, reason: str
) -> None:
    assert await refusal(keyed, bearer, **params) == (code, reason)
    assert keyed.context.rooms.population == 0


@pytest.mark.parametrize(
    ("bearer", "reason"),
    [
        (None, "token_missing"),
        ("wibble", "token_invalid"),
        (token(valid_s=-60), "token_expired"),
    ],
)
@pytest.mark.parametrize("place", ["header", "address"])
async def test_a_token_is_checked_before_the_websocket_opens(
    keyed: Stage, bearer: str | None, reason: str, place: str
) -> None:
    headers = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    headers["Sec-WebSocket-Key"] = "dGhlIHNhbXBsZSBub25jZQ=="
    url = keyed.url("/ws")
    if bearer and place == "header":
        headers["Authorization"] = f"Bearer {bearer}"
    elif bearer:
        url += f"?access_token={bearer}"
    async with keyed.session.get(url, headers=headers) as response:
        assert (response.status, response.content_type) == (401, "application/problem+json")
        assert response.headers["WWW-Authenticate"] == "Bearer"
        assert (await response.json())["reason"] == reason
    assert not keyed.context.channels


async def test_a_token_that_expired_after_the_websocket_opened_is_refused_at_join(
    keyed: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = await member(keyed, token())

    def expired(_token: str | None) -> None:
        raise Refusal("token_expired", "the token has expired")

    monkeypatch.setattr(keyed.context.access, "claims", expired)
    with pytest.raises(RpcError, match="token_expired"):
        await ann.call("join", sid="demo")


async def test_an_unset_permission_means_yes(keyed: Stage) -> None:
    ann = await member(keyed, token())
    await ann.call("join", sid="demo", offer=OFFER)
    assert await ann.call("message", data=1) == {"delivered": 0}


async def test_listed_sources_may_be_published(keyed: Stage) -> None:
    ann = await member(keyed, token(can_publish_sources=["microphone", "screen_share"]))
    sources = {"1": "screen_share"}
    result = await ann.call("join", sid="demo", offer=OFFER, sources=sources)
    assert [entry["source"] for entry in result["publications"]] == ["microphone", "screen_share"]


async def test_joining_an_open_room_needs_no_room_create_grant(keyed: Stage) -> None:
    await (await member(keyed, token())).call("join", sid="demo")
    bob = await member(keyed, token("bob", room_create=False))
    assert (await bob.call("join", sid="demo"))["uid"] == "bob"


async def test_without_can_subscribe_there_is_no_offer(keyed: Stage) -> None:
    await (await member(keyed, token())).call("join", sid="demo", offer=OFFER)
    bob = await member(keyed, token("bob", can_subscribe=False))
    await bob.call("join", sid="demo")
    with pytest.raises(RpcError, match="subscribe_denied"):
        await bob.call("subscribe", publications=[1])


async def test_without_can_publish_data_messages_are_refused(keyed: Stage) -> None:
    ann = await member(keyed, token(can_publish_data=False))
    await ann.call("join", sid="demo")
    with pytest.raises(RpcError, match="data_denied"):
        await ann.call("message", data=1)


async def test_only_a_host_mutes_others(keyed: Stage) -> None:
    ann = await member(keyed, token())
    number = (await ann.call("join", sid="demo", offer=OFFER))["publications"][0]["publication"]
    bob = await member(keyed, token("bob"))
    await bob.call("join", sid="demo")
    with pytest.raises(RpcError, match="not_yours"):
        await bob.call("mute", publication=number, muted=True)
    host = await member(keyed, token("host", room_admin=True))
    assert (await host.call("join", sid="demo"))["role"] == "host"
    await host.call("mute", publication=number, muted=True)
    assert (await ann.note("publication-muted"))["muted"]


async def test_a_role_can_be_lowered_never_raised(keyed: Stage) -> None:
    host = await member(keyed, token("host", room_admin=True))
    assert (await host.call("join", sid="demo", config={"role": "audience"}))["role"] == "audience"
    bob = await member(keyed, token("bob", can_publish=False))
    assert (await bob.call("join", sid="demo", config={"role": "host"}))["role"] == "audience"


async def test_hidden_participants_are_not_announced(keyed: Stage) -> None:
    ann = await member(keyed, token())
    await ann.call("join", sid="demo")
    spy = await member(keyed, token("spy", hidden=True))
    await spy.call("join", sid="demo")
    bob = await member(keyed, token("bob"))
    listed = (await bob.call("join", sid="demo"))["participants"]
    assert [entry["uid"] for entry in listed] == ["ann"]
    await spy.call("leave")
    await ann.note("participant-joined")
    assert (await ann.note("participant-joined"))["uid"] == "bob"
    assert not [note for note in ann.notifications if note[0] == "participant-left"]


async def test_whip_requires_a_token(keyed: Stage) -> None:
    sdp = {"Content-Type": "application/sdp"}
    url = keyed.url("/whip/demo")
    async with keyed.session.post(url, data=offer_text(), headers=sdp) as response:
        assert response.status == 401
        assert response.headers["WWW-Authenticate"] == "Bearer"
        assert (await response.json())["reason"] == "token_missing"
    for bearer, status in ((token(can_publish=False), 403), (token("obs"), 201)):
        headers = sdp | {"Authorization": f"Bearer {bearer}"}
        async with keyed.session.post(url, data=offer_text(), headers=headers) as response:
            assert response.status == status
    room = keyed.context.rooms.find("demo")
    assert room is not None
    assert list(room.participants) == ["obs"]


async def test_an_admin_of_one_room_sees_that_room_alone(keyed: Stage) -> None:
    keyed.engine.results[RoomStats] = b"{}"
    for room in ("demo", "other"):
        await (await member(keyed, token(room=room))).call("join", sid=room)
    headers = {"Authorization": f"Bearer {token('host', room='demo', room_admin=True)}"}
    seen = {}
    for path in ("/debug/rooms", "/debug/rooms/demo", "/debug/rooms/other", "/debug/rooms/none"):
        async with keyed.session.get(keyed.url(path), headers=headers) as response:
            seen[path] = (response.status, await response.json())
    status, shown = seen["/debug/rooms"]
    assert (status, list(shown)) == (200, ["rooms"])
    assert [room["room"] for room in shown["rooms"]] == ["demo"]
    assert seen["/debug/rooms/demo"][0] == 200
    for path in ("/debug/rooms/other", "/debug/rooms/none"):
        assert (seen[path][0], seen[path][1]["reason"]) == (403, "room_denied")
    headers = {"Authorization": f"Bearer {token('host', room='', room_admin=True)}"}
    async with keyed.session.get(keyed.url("/debug/rooms"), headers=headers) as response:
        assert len((await response.json())["rooms"]) == 2


async def test_an_admin_of_a_room_that_is_not_open_sees_none(keyed: Stage) -> None:
    await (await member(keyed, token(room="other"))).call("join", sid="other")
    headers = {"Authorization": f"Bearer {token('host', room='demo', room_admin=True)}"}
    async with keyed.session.get(keyed.url("/debug/rooms"), headers=headers) as response:
        assert await response.json() == {"rooms": []}


async def test_the_rooms_are_shown_to_admins_only(keyed: Stage) -> None:
    for bearer, status in (("", 401), (token(), 403), (token(room_admin=True), 200)):
        headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
        async with keyed.session.get(keyed.url("/debug/rooms"), headers=headers) as response:
            assert response.status == status
