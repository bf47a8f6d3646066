"""The demo page publishes SVC: VP9 L3T3_KEY and AV1 L3T3, with dependency descriptors."""

import asyncio
from typing import Any

import pytest

from sfukit.signaling.extensions import DEPENDENCY_DESCRIPTOR
from tests.interop.browser import Browser, Page
from tests.interop.server import Server

pytestmark = pytest.mark.realtime
WITHIN_S = 30.0
WIDTHS = (320, 640, 1280)
DECODED = 15
MOST_FPS = 12  # a quarter of 30, measured over a second

KEEP_CONNECTIONS = """() => {
  window.connections = [];
  window.RTCPeerConnection = class extends RTCPeerConnection {
    constructor(...options) {
      super(...options);
      window.connections.push(this);
    }
  };
}"""
DESCRIPTIONS = """() => connections.flatMap((pc) =>
  [pc.currentLocalDescription?.sdp, pc.currentRemoteDescription?.sdp].filter(Boolean))"""
VIDEO = """async () => {
  await sfukit.measure();
  return sfukit.streams.find(({ kind }) => kind === "video") ?? null;
}"""


async def joined(
    browser: Browser, server: Server, room: str, source: str, codec: str = "vp8"
) -> Page:
    """Open the page and join with its peer connections in `connections`."""
    page = await browser.page(server.url("/"))
    await page.run(KEEP_CONNECTIONS)
    join = "(room, source, codec) => sfukit.join({ room, name: source, source, codec })"
    await page.run(join, room, source, codec)
    return page


async def request(page: Page, layers: dict[str, int]) -> None:
    """Request layers of the video that the page receives, once it receives one."""
    for _ in range(int(WITHIN_S * 10)):
        if row := await page.run(VIDEO):
            break
        await asyncio.sleep(0.1)
    call = "(publication, layers) => sfukit.setLayer(publication, layers)"
    await page.run(call, row["publication"], layers)


async def decoded(page: Page, width: int, after: int = 0) -> dict[str, Any]:
    """Wait for decoded frames of this width; return the statistics of the stream."""
    row = None
    for _ in range(int(WITHIN_S * 10)):
        row = await page.run(VIDEO)
        if row and row["width"] == width and row["framesDecoded"] >= after + DECODED:
            return dict(row)
        await asyncio.sleep(0.1)
    raise AssertionError(f"no video {width} wide: {row}; {page.console[-5:]}")


async def shows_fewer_frames(page: Page) -> None:
    """Wait until the frame rate is that of the lowest temporal layer."""
    row = None
    for _ in range(int(WITHIN_S * 10)):
        row = await page.run(VIDEO)
        if 0 < row["fps"] <= MOST_FPS:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"frame rate: {row}")


async def described(page: Page) -> list[bool]:
    """Return whether each description of the page's connections lists the descriptor."""
    descriptions = await page.run(DESCRIPTIONS)
    video = [sdp for sdp in descriptions if "m=video" in sdp]
    return [DEPENDENCY_DESCRIPTOR in sdp for sdp in video]


@pytest.mark.parametrize("codec", ["vp9", "av1"])
async def test_layers_of_svc_are_selected_by_request(
    browser: Browser, server: Server, codec: str
) -> None:
    publisher = await joined(browser, server, f"svc-{codec}", "canvas", codec)
    viewer = await joined(browser, server, f"svc-{codec}", "none")
    await request(viewer, {"spatial": 2})
    row = await decoded(viewer, WIDTHS[2])
    # offer and answer of both connections
    assert await described(publisher) == [True, True]
    assert await described(viewer) == [True, True]
    assert await asyncio.to_thread(server.published_codecs, f"svc-{codec}") >= {codec.upper()}
    for spatial in (0, 1):
        await request(viewer, {"spatial": spatial})
        row = await decoded(viewer, WIDTHS[spatial], row["framesDecoded"])
    assert row["packetsLost"] <= 0
    await request(viewer, {"spatial": 1, "temporal": 0})
    await shows_fewer_frames(viewer)
    for page in (publisher, viewer):
        await page.run("() => sfukit.leave()")


async def test_the_page_offers_the_codecs_that_the_browser_encodes(
    browser: Browser, server: Server
) -> None:
    page = await browser.page(server.url("/"))
    offered = await page.run(
        """() => [...document.querySelector("[name=codec]").options]
          .map(({ value, disabled }) => [value, disabled])"""
    )
    assert [value for value, _ in offered] == ["vp8", "h264", "vp9", "av1"]
    assert not dict(offered)["vp8"]
    assert not dict(offered)["vp9"]
