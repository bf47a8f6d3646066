"""The demo page reports the sizes of its tiles, and gets encodings that fit."""

import asyncio
from typing import Any

import pytest

from tests.interop.browser import Browser, Page
from tests.interop.server import Server

pytestmark = pytest.mark.realtime
WITHIN_S = 30.0


async def joined(browser: Browser, server: Server, name: str, source: str) -> Page:
    page = await browser.page(server.url("/"))
    await page.run("(name, source) => sfukit.join({ room: 'sizes', name, source })", name, source)
    return page


async def stream(page: Page) -> dict[str, Any]:
    rows = await page.run("() => sfukit.streams.filter(({ kind }) => kind === 'video')")
    return dict(rows[0]) if rows else {}


async def received(page: Page, width: int) -> dict[str, Any]:
    """Wait for video of this width."""
    for _ in range(int(WITHIN_S * 10)):
        row = await stream(page)
        if row.get("width") == width:
            return row
        await asyncio.sleep(0.1)
    raise AssertionError(f"no video {width} wide: {await stream(page)}")


async def test_the_size_of_a_tile_decides_which_encoding_arrives(
    browser: Browser, server: Server
) -> None:
    ann = await joined(browser, server, "ann", "canvas")
    eve = await joined(browser, server, "eve", "none")
    row = await received(eve, 640)
    assert row["layer"]["reason"] == "size"
    await eve.run("() => { document.getElementById('grid').style.width = '320px'; }")
    row = await received(eve, 320)
    assert row["layer"]["reason"] == "size"
    participants = (await asyncio.to_thread(server.rooms))["rooms"][0]["participants"]
    viewer = next(entry for entry in participants if entry["name"] == "eve")
    video = next(entry for entry in viewer["subscriptions"] if entry["kind"] == "video")
    assert video["requested"]["width"] <= 320
    for page in (ann, eve):
        await page.run("() => sfukit.leave()")
