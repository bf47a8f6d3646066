"""The candidate of the signaling connection's local address is the first one."""

import pytest

from sfukit.signaling import candidates, sdp
from tests.unit.server.stage import Stage, StageMaker, offer_text

SDP = {"Content-Type": "application/sdp"}
ADVERTISED = ("192.0.2.7", "198.51.100.7", "127.0.0.1")


def candidates_of(text: str) -> list[str]:
    """Return the candidates of a description, the highest priority first."""
    entries = [
        candidates.parse(line) for media in sdp.parse(text).media for line in media.candidates
    ]
    assert entries == sorted(entries, key=lambda entry: -entry.priority)
    return [entry.host for entry in entries]


@pytest.fixture
async def stage(make_stage: StageMaker) -> Stage:
    return await make_stage(advertise=ADVERTISED)


async def post(stage: Stage, path: str, offer: str, **headers: str) -> list[str]:
    response = await stage.session.post(
        stage.url(path), data=offer_text(offer), headers=SDP | headers
    )
    assert response.status == 201
    return candidates_of(await response.text())


async def test_whip_and_whep_over_loopback_have_the_loopback_candidate_first(stage: Stage) -> None:
    first = ["127.0.0.1", "192.0.2.7", "198.51.100.7"]
    assert await post(stage, "/whip/demo", "chromium-simulcast-offer") == first
    assert await post(stage, "/whep/demo", "chromium-viewer-offer") == first


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"])
async def test_the_local_address_of_a_proxys_connection_is_ignored(
    stage: Stage, header: str
) -> None:
    told_hosts = await post(stage, "/whip/demo", "chromium-simulcast-offer", **{header: "x"})
    assert told_hosts == list(ADVERTISED)


async def test_rooms_have_the_loopback_candidate_first_on_both_connections(stage: Stage) -> None:
    ann, bob = await stage.member(), await stage.member()
    offer = {"type": "offer", "sdp": offer_text()}
    joined = await ann.call("join", sid="demo", uid="ann", offer=offer)
    assert candidates_of(joined["sdp"])[0] == "127.0.0.1"
    await bob.call("join", sid="demo", uid="bob")
    assert candidates_of((await bob.note("offer"))["sdp"])[0] == "127.0.0.1"


async def test_an_ice_restart_keeps_the_order(stage: Stage) -> None:
    response = await stage.session.post(stage.url("/whip/demo"), data=offer_text(), headers=SDP)
    fragment = f"a=ice-ufrag:neww\r\na=ice-pwd:{'n' * 24}\r\n"
    headers = {"Content-Type": "application/trickle-ice-sdpfrag", "If-Match": "*"}
    url = stage.url(response.headers["Location"])
    restarted = await stage.session.patch(url, data=fragment, headers=headers)
    assert restarted.status == 200
    lines = [line for line in (await restarted.text()).split("\r\n") if "candidate:" in line]
    assert candidates.parse(lines[0]).host == "127.0.0.1"
