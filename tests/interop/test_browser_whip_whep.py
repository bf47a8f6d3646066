"""A page publishes by WHIP, another plays by WHEP, with the WebRTC of Chromium."""

from pathlib import Path

import pytest

from tests.interop.browser import Browser, Page
from tests.interop.server import Server

pytestmark = pytest.mark.realtime

PAGE_SCRIPT = Path(__file__).parent / "page.js"
MEASURED_S = 8
GCM = "SRTP_AEAD_AES_128_GCM"

SIMULCAST = [
    {"rid": "q", "scaleResolutionDownBy": 4, "maxBitrate": 150_000},
    {"rid": "h", "scaleResolutionDownBy": 2, "maxBitrate": 500_000},
    {"rid": "f", "maxBitrate": 1_700_000},
]


async def scripted_page(browser: Browser, server: Server) -> Page:
    page = await browser.page(server.url("/livez"))
    await page.include(PAGE_SCRIPT)
    return page


COUNTER_OFFER = """async (url) => {
  const pc = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
  const { codecs } = RTCRtpReceiver.getCapabilities("video");
  pc.addTransceiver("video", { direction: "recvonly" })
    .setCodecPreferences(codecs.filter(({ mimeType }) => mimeType === "video/VP9"));
  await pc.setLocalDescription();
  const send = (target, method, body) =>
    fetch(target, { method, body, headers: { "Content-Type": "application/sdp" } });
  const response = await send(url, "POST", pc.localDescription.sdp);
  const session = new URL(response.headers.get("Location"), url);
  await pc.setLocalDescription({ type: "rollback" });
  await pc.setRemoteDescription({ type: "offer", sdp: await response.text() });
  await pc.setLocalDescription();
  const answered = await send(session, "PATCH", pc.localDescription.sdp);
  pc.session = { url: session.href };
  window.pc = pc;
  return [response.status, answered.status];
}"""


async def publish(page: Page, url: str, encodings: object = None) -> None:
    await page.run(
        """async (url, encodings) => {
            window.pc = await interop.publish(url, await interop.camera(1280, 720), encodings);
        }""",
        url,
        encodings,
    )


async def play(page: Page, url: str) -> None:
    await page.run("async (url) => { window.pc = await interop.play(url); }", url)
    await page.run(
        """() => interop.until(
            async () => (await interop.stats(pc)).video?.framesDecoded > 0, "the first frame")"""
    )


async def stats(page: Page) -> dict:  # type: ignore[type-arg]
    return await page.run("() => interop.stats(pc)")  # type: ignore[no-any-return]


async def test_a_page_answers_an_offer_of_the_server(browser: Browser, server: Server) -> None:
    """A page that offers VP9 only, where the publisher sends VP8."""
    publisher, viewer = await scripted_page(browser, server), await scripted_page(browser, server)
    await publish(publisher, server.url("/whip/counter"))
    assert await viewer.run(COUNTER_OFFER, server.url("/whep/counter")) == [406, 204]
    await viewer.run(
        """() => interop.until(
            async () => (await interop.stats(pc)).video?.framesDecoded > 10, "ten frames")"""
    )
    assert await viewer.run("() => interop.leave(pc)") == 200
    assert await publisher.run("() => interop.leave(pc)") == 200


async def test_a_page_plays_what_another_publishes(browser: Browser, server: Server) -> None:
    publisher, viewer = await scripted_page(browser, server), await scripted_page(browser, server)
    await publish(publisher, server.url("/whip/plain"))
    await play(viewer, server.url("/whep/plain"))
    await viewer.run(
        """() => interop.until(
            async () => (await interop.stats(pc)).audio?.packetsReceived > 0, "audio")"""
    )
    before = await stats(viewer), await stats(publisher)
    await viewer.run("(seconds) => interop.sleep(seconds)", MEASURED_S)
    after = await stats(viewer), await stats(publisher)

    assert before[0]["transport"]["srtpCipher"] == GCM
    assert before[1]["transport"]["srtpCipher"] == GCM
    decoded = after[0]["video"]["framesDecoded"] - before[0]["video"]["framesDecoded"]
    [sent] = (
        after[1]["sent"][rid]["framesSent"] - before[1]["sent"][rid]["framesSent"]
        for rid in after[1]["sent"]
    )
    assert decoded >= 0.9 * sent > 0
    assert after[0]["video"]["freezeCount"] == 0
    assert after[0]["video"]["packetsLost"] == 0
    assert after[0]["audio"]["packetsReceived"] > before[0]["audio"]["packetsReceived"]
    apart_ms = (
        after[0]["video"]["estimatedPlayoutTimestamp"]
        - after[0]["audio"]["estimatedPlayoutTimestamp"]
    )
    assert abs(apart_ms) <= 80
    assert await viewer.run("() => interop.leave(pc)") == 200
    assert await publisher.run("() => interop.leave(pc)") == 200


async def test_simulcast_is_published_by_whip(browser: Browser, server: Server) -> None:
    publisher, viewer = await scripted_page(browser, server), await scripted_page(browser, server)
    await publish(publisher, server.url("/whip/simulcast"), SIMULCAST)
    await publisher.run(
        """() => interop.until(async () => {
            const { sent } = await interop.stats(pc);
            return ["q", "h", "f"].every((rid) => sent[rid]?.framesSent > 0);
        }, "all three encodings", 30)"""
    )
    await play(viewer, server.url("/whep/simulcast"))
    await viewer.run(
        """() => interop.until(async () => {
            const { video } = await interop.stats(pc);
            return video.frameWidth === 1280;
        }, "encoding f")"""
    )


async def test_whep_without_a_publisher_is_refused(browser: Browser, server: Server) -> None:
    viewer = await scripted_page(browser, server)
    refused = await viewer.run(
        """async (url) => {
            const response = await fetch(url, {
                method: "POST",
                headers: { "Content-Type": "application/sdp" },
                body: (await (async () => {
                    const pc = new RTCPeerConnection();
                    pc.addTransceiver("video", { direction: "recvonly" });
                    await pc.setLocalDescription();
                    return pc.localDescription.sdp;
                })()),
            });
            return [response.status, response.headers.get("Retry-After") !== null];
        }""",
        server.url("/whep/not-live"),
    )
    assert refused == [409, True]
