"""Redundant audio (RED, RFC 2198): Chromium sends and takes it, aiortc takes Opus alone."""

from typing import Any

import httpx
import pytest

from tests.interop import peers
from tests.interop.browser import Browser
from tests.interop.participant import participant
from tests.interop.server import Server
from tests.interop.test_browser_page import join, opened
from tests.interop.test_browser_recovery import until

pytestmark = pytest.mark.realtime

AUDIO_BLOCKS = 50
HEARD = "sfukit.streams.filter((row) => row.kind === 'audio' && row.bitrate_bps > 0)"


@pytest.fixture(autouse=True)
def on_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gather 127.0.0.1, which aioice leaves out."""
    monkeypatch.setattr("aioice.ice.get_host_addresses", lambda **_: ["127.0.0.1"])


def red_of(shown: dict[str, Any], name: str) -> tuple[bool, list[bool]]:
    """Return whether a participant sends its audio as RED, and which of its receivers get it so."""
    (member,) = [entry for entry in shown["participants"] if entry["name"] == name]
    (number,) = [it["publication"] for it in member["publications"] if it["kind"] == "audio"]
    figures = shown["figures"]
    (published,) = [it["red"] for it in figures["publications"] if it["publication"] == number]
    received = [it["red"] for it in figures["subscriptions"] if it["publication"] == number]
    return published, sorted(received)


async def test_red_of_chromium_is_opus_for_aiortc_and_red_for_chromium(
    browser: Browser, server: Server
) -> None:
    ann, bob = [await opened(browser, server) for _ in range(2)]
    await join(ann, "red", "ann")
    async with participant(server.websocket, "cat") as cat:
        joined = await cat.join("red", [peers.SpeechTrack()])
        uid = joined["participants"][0]["uid"]
        await join(bob, "red", "bob", source="none")
        peak = await peers.receive_audio(await cat.track(uid, "audio"), AUDIO_BLOCKS)
        assert peak > 500
        assert "red/48000" not in cat.subscribing.localDescription.sdp
        await until(bob, f"{HEARD}.length === 2", "audio of both", 20)
        async with httpx.AsyncClient() as client:
            shown = (await client.get(server.http + "/debug/rooms/red")).json()
        assert red_of(shown, "ann") == (True, [False, True])
        assert red_of(shown, "cat") == (False, [False, False])
