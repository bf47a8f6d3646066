"""Two tabs of the demo page in a room, each publishing three simulcast encodings."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.interop.browser import Browser, Page
from tests.interop.server import Server

pytestmark = pytest.mark.realtime

MEASURED_S = 30.0
SWITCH_S = 1.5
INACTIVE_WITHIN_S = 15.0
SENT_WITHIN_S = 10.0
"""A browser sends an encoding as soon as its own bandwidth estimate covers it."""
FRAMES_INTERVAL_S = 0.5
SYNC_MS = 80
WIDTHS = {"q": 320, "h": 640, "f": 1280}
GCM = "SRTP_AEAD_AES_128_GCM"
SCREENSHOTS = "SFUKIT_SCREENSHOTS"
"""The folder for screenshots of the page."""


@dataclass
class Tab:
    """The demo page in one tab, by its handle `window.sfukit`."""

    page: Page
    name: str

    async def join(self, room: str) -> None:
        await self.page.run(
            "(room, name) => sfukit.join({ room, name, source: 'camera' })", room, self.name
        )

    async def rows(self) -> dict[str, dict[str, Any]]:
        """Return the inbound streams by kind, from one getStats."""
        await self.page.run("() => sfukit.measure()")
        return {row["kind"]: row for row in await self.page.run("() => sfukit.streams")}

    async def row(self, kind: str) -> dict[str, Any] | None:
        """Return the inbound stream of a kind, or None."""
        return (await self.rows()).get(kind)

    async def encodings(self) -> dict[str, dict[str, Any]]:
        """Return the outbound encodings of the video by rid, from one getStats."""
        await self.page.run("() => sfukit.measure()")
        return {row["rid"]: row for row in await self.page.run("() => sfukit.encodings")}

    async def frames_sent(self, rid: str) -> int:
        return int((await self.encodings())[rid]["framesSent"])

    async def sends(self, rid: str, after: int, within_s: float) -> None:
        """Wait until more frames of an encoding are sent than `after`."""
        deadline = time.monotonic() + within_s
        while await self.frames_sent(rid) <= after:
            if time.monotonic() > deadline:
                raise AssertionError(f"{self.name} does not send {rid}: {await self.encodings()}")
            await asyncio.sleep(0.02)

    async def becomes_inactive(self, rid: str, within_s: float) -> None:
        """Wait until an encoding is inactive: no frames are sent."""
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            before = await self.frames_sent(rid)
            await asyncio.sleep(FRAMES_INTERVAL_S)
            if await self.frames_sent(rid) == before:
                return
        raise AssertionError(f"{self.name} still sends {rid}")

    async def shows(self, width: int, within_s: float) -> float:
        """Wait for video of this width; return the seconds it took."""
        start = time.monotonic()
        while time.monotonic() < start + within_s:
            row = await self.row("video")
            if row and row["width"] == width and row["framesDecoded"] > 0:
                return time.monotonic() - start
            await asyncio.sleep(0.02)
        raise AssertionError(f"{self.name}: no video {width} wide: {await self.row('video')}")


@pytest.fixture
async def tabs(browser: Browser, server: Server) -> AsyncIterator[tuple[Tab, Tab]]:
    """Ann and Bob in one room, each receiving encoding h of the other: it fits the tile."""
    ann, bob = [Tab(await browser.page(server.url("/")), name) for name in ("ann", "bob")]
    await ann.join("tabs")
    await bob.join("tabs")
    for tab in (ann, bob):
        await tab.shows(WIDTHS["h"], within_s=30)
    yield ann, bob
    for tab in (ann, bob):
        await tab.page.run("() => sfukit.leave()")


async def test_two_tabs_receive_each_other(tabs: tuple[Tab, Tab], server: Server) -> None:
    ann, bob = tabs
    before = {tab.name: await tab.row("video") for tab in tabs}
    sent_before = {tab.name: await tab.frames_sent("h") for tab in tabs}
    await asyncio.sleep(MEASURED_S)
    after = {tab.name: await tab.row("video") for tab in tabs}
    sent_after = {tab.name: await tab.frames_sent("h") for tab in tabs}

    for tab, other in ((ann, bob), (bob, ann)):
        first, last = before[tab.name], after[tab.name]
        assert first is not None
        assert last is not None
        decoded = last["framesDecoded"] - first["framesDecoded"]
        assert decoded >= 0.9 * (sent_after[other.name] - sent_before[other.name]) > 0
        assert last["freezeCount"] == first["freezeCount"]
        rows = await tab.rows()
        assert abs(rows["video"]["playout_ms"] - rows["audio"]["playout_ms"]) <= SYNC_MS
    profiles = {
        transport["srtp_profile"]
        for room in (await asyncio.to_thread(server.rooms))["rooms"]
        for participant in room["participants"]
        for transport in participant["transports"].values()
    }
    assert profiles == {GCM}
    folder = os.environ.get(SCREENSHOTS)
    if folder:
        await ann.page.screenshot(Path(folder) / "room.png")


async def test_an_encoding_is_switched_by_request(tabs: tuple[Tab, Tab]) -> None:
    ann, _ = tabs
    row = await ann.row("video")
    assert row is not None
    for rid in ("q", "h"):
        await ann.page.run("(n, rid) => sfukit.setLayer(n, rid)", row["publication"], rid)
        await ann.shows(WIDTHS[rid], SWITCH_S)
    last = await ann.row("video")
    assert last is not None
    assert last["freezeCount"] == row["freezeCount"]
    # f is inactive in between, and the browser's encoder pauses when it starts again.
    await ann.page.run("(n, rid) => sfukit.setLayer(n, rid)", row["publication"], "f")
    await ann.shows(WIDTHS["f"], SWITCH_S)


async def test_an_encoding_without_subscribers_is_inactive_until_requested(
    tabs: tuple[Tab, Tab],
) -> None:
    ann, bob = tabs
    row = await ann.row("video")
    assert row is not None
    await ann.page.run("(n, rid) => sfukit.setLayer(n, rid)", row["publication"], "q")
    await ann.shows(WIDTHS["q"], SWITCH_S)
    for rid in ("h", "f"):
        await bob.becomes_inactive(rid, INACTIVE_WITHIN_S)
    for rid in ("h", "f", "q", "f"):
        sent = await bob.frames_sent(rid)
        await ann.page.run("(n, rid) => sfukit.setLayer(n, rid)", row["publication"], rid)
        await bob.sends(rid, sent, SENT_WITHIN_S)
        await ann.shows(WIDTHS[rid], SWITCH_S)
