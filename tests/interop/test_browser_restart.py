"""ICE restarts of the demo page: by itself when a path is lost, and while media flows."""

from collections.abc import AsyncIterator

import pytest

from tests.interop.browser import Browser, Page
from tests.interop.layer_link import BEHIND_FORWARDER, KEEP_CONNECTIONS
from tests.interop.server import Server
from tests.interop.test_browser_recovery import PLAYS, join, until
from tests.interop.udp_path import UdpPath

pytestmark = pytest.mark.realtime

RECOVERS_S = 15.0
"""Chromium calls a silent path disconnected after some seconds."""
MOST_GAP_MS = 300.0
RESTARTS = 3

LONGEST_GAP = """async (watchedMs) => {
  const received = connections.flatMap((pc) => pc.getReceivers().map(({ track }) => track.id));
  const isReceived = ({ srcObject }) => received.includes(srcObject?.getVideoTracks()[0]?.id);
  const video = [...document.querySelectorAll("video")].find(isReceived);
  let last = performance.now(), longest = 0;
  const frame = () => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
    video.requestVideoFrameCallback(frame);
  };
  video.requestVideoFrameCallback(frame);
  await new Promise((resolve) => setTimeout(resolve, 500));
  longest = 0;
  await sfukit.restartIce();
  await new Promise((resolve) => setTimeout(resolve, watchedMs));
  return Math.max(longest, performance.now() - last);
}"""
UFRAGS = (
    """() => connections.map((it) => it.remoteDescription.sdp.match(/a=ice-ufrag:(\\S+)/)[1])"""
)


@pytest.fixture
async def path(server: Server) -> AsyncIterator[UdpPath]:
    opened = UdpPath(("127.0.0.1", server.udp_port))
    yield opened
    opened.close()


async def two_pages(browser: Browser, server: Server, path: UdpPath) -> list[Page]:
    """Ann and Bob in one room, both behind the path."""
    candidate = f"candidate:1 1 udp 2130706431 127.0.0.1 {await path.open()} typ host"
    pages = [await browser.page(server.url("/")) for _ in range(2)]
    for page, name in zip(pages, ("ann", "bob"), strict=True):
        await page.run(KEEP_CONNECTIONS)
        await page.run(BEHIND_FORWARDER, candidate)
        await join(page, name)
    for page in pages:
        await until(page, PLAYS, "video", 20)
    return pages


async def test_a_lost_path_is_left_without_a_rejoin(
    browser: Browser, server: Server, path: UdpPath
) -> None:
    pages = await two_pages(browser, server, path)
    lost = path.clients
    decoded = [await page.run("() => sfukit.streams[0].framesDecoded") for page in pages]
    path.cut()
    for page, before in zip(pages, decoded, strict=True):
        more = f"sfukit.streams.some((row) => row.framesDecoded > {before + 60})"
        await until(page, more, "video by another path", RECOVERS_S)
        assert await page.run("() => sfukit.gaps.length") == 0
        assert await page.run("() => connections.length") == 2
    assert len(path.clients - lost) >= 4  # two connections of two pages


async def test_a_restart_while_media_flows_leaves_no_gap(
    browser: Browser, server: Server, path: UdpPath
) -> None:
    _, bob = await two_pages(browser, server, path)
    before = await bob.run(UFRAGS)
    gaps_ms = [await bob.run(LONGEST_GAP, 1500) for _ in range(RESTARTS)]
    after = await bob.run(UFRAGS)
    assert len(after) == 2
    assert not set(after) & set(before)
    assert max(gaps_ms) <= MOST_GAP_MS
