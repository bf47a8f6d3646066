"""The demo page publishes SVC: VP9 L3T3_KEY and AV1 L3T3, with dependency descriptors."""

import asyncio
from typing import Any

import pytest

from sfukit.signaling.extensions import DEPENDENCY_DESCRIPTOR
from tests.interop.browser import Browser, Page
from tests.interop.layer_link import KEEP_CONNECTIONS
from tests.interop.server import Server

pytestmark = pytest.mark.realtime
WITHIN_S = 30.0
WIDTHS = (320, 640, 1280)
DECODED = 15
MOST_FPS = 12  # a quarter of 30, measured over a second

# Every byte of each encoded frame is changed, as by end-to-end encryption; the receiver undoes it.
ENCRYPT = """() => {
  const transform = ({ readable, writable }) => readable.pipeThrough(new TransformStream({
    transform(frame, controller) {
      frame.data = new Uint8Array(frame.data).map((byte) => byte ^ 0xa5).buffer;
      controller.enqueue(frame);
    },
  })).pipeTo(writable);
  window.RTCPeerConnection = class extends RTCPeerConnection {
    constructor(options) {
      super({ ...options, encodedInsertableStreams: true });
      this.addEventListener("track", ({ receiver }) => transform(receiver.createEncodedStreams()));
    }
    addTransceiver(track, parameters) {
      const transceiver = super.addTransceiver(track, parameters);
      transform(transceiver.sender.createEncodedStreams());
      return transceiver;
    }
  };
}"""
DESCRIPTIONS = """() => connections.flatMap((pc) =>
  [pc.currentLocalDescription?.sdp, pc.currentRemoteDescription?.sdp].filter(Boolean))"""
SELECT = """(legend, value) => {
  const rows = [...document.querySelectorAll(".layers")].filter((row) => row.checkVisibility());
  const row = rows.find((row) => row.querySelector("legend").textContent === legend);
  row?.querySelector(`input[value="${value}"]`)?.click();
  return row ? [...row.querySelectorAll("label")].map((label) => label.textContent) : null;
}"""
VIDEO = """async () => {
  await sfukit.measure();
  return sfukit.streams.find(({ kind }) => kind === "video") ?? null;
}"""


async def joined(
    browser: Browser,
    server: Server,
    room: str,
    source: str,
    codec: str = "vp8",
    before: str = KEEP_CONNECTIONS,
) -> Page:
    """Open the page, run a script, and join."""
    page = await browser.page(server.url("/"))
    await page.run(before)
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


async def test_layers_of_encrypted_frames_are_selected_by_descriptors(
    browser: Browser, server: Server
) -> None:
    publisher = await joined(browser, server, "encrypted", "canvas", "vp9", ENCRYPT)
    viewer = await joined(browser, server, "encrypted", "none", "vp9", ENCRYPT)
    decoded_before = 0
    for spatial in (2, 0, 1):
        await request(viewer, {"spatial": spatial})
        row = await decoded(viewer, WIDTHS[spatial], decoded_before)
        decoded_before = row["framesDecoded"]
    assert row["packetsLost"] <= 0
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


async def selected(page: Page, legend: str, value: str) -> list[str]:
    """Click a button of a selector, once it is shown; return the texts of all its buttons."""
    for _ in range(int(WITHIN_S * 10)):
        if texts := await page.run(SELECT, legend, value):
            return [str(text) for text in texts]
        await asyncio.sleep(0.1)
    raise AssertionError(f"no selector {legend!r}")


async def test_layers_are_selected_by_the_buttons_of_a_tile(
    browser: Browser, server: Server
) -> None:
    publisher = await joined(browser, server, "buttons", "canvas", "vp9")
    viewer = await joined(browser, server, "buttons", "none")
    assert await selected(viewer, "Spatial layer", "0") == ["auto", "S0", "S1", "S2"]
    row = await decoded(viewer, WIDTHS[0])
    assert row["layer"]["layers"]["spatial"] == 0
    assert await selected(viewer, "Temporal layer", "0") == ["auto", "T0", "T1", "T2"]
    await shows_fewer_frames(viewer)
    row = await viewer.run(VIDEO)
    assert row["layer"]["requested"] == {"spatial": 0, "temporal": 0}
    assert row["width"] == WIDTHS[0]
    await selected(viewer, "Spatial layer", "2")
    row = await decoded(viewer, WIDTHS[2], row["framesDecoded"])
    assert row["layer"]["layers"] == {
        "spatial": 2,
        "temporal": 0,
        "highest_spatial": 2,
        "highest_temporal": 2,
    }
    for page in (publisher, viewer):
        await page.run("() => sfukit.leave()")
