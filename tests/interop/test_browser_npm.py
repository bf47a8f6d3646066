"""Clients of the npm registry in Chromium: whip-whep, and those of Eyevinn."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop import npm_clients
from tests.interop.browser import Browser, Page
from tests.interop.layer_link import KEEP_CONNECTIONS
from tests.interop.server import Server, serving

pytestmark = pytest.mark.realtime

PAGE_SCRIPT = Path(__file__).parent / "page.js"
DECODED = """async (frames) => {
  const decoded = async () => {
    for (const pc of connections) {
      const { video } = await interop.stats(pc);
      if (video) return video.framesDecoded ?? 0;
    }
    return 0;
  };
  const reached = await decoded() + frames;
  await interop.until(async () => await decoded() >= reached, `${frames} frames`);
}"""
PUBLISH = """async (url) => {
  const stream = await interop.camera(640, 360);
  const pc = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
  const sendEncodings = [
    { rid: "q", scaleResolutionDownBy: 2, maxBitrate: 150_000 },
    { rid: "h", maxBitrate: 600_000 },
  ];
  for (const track of stream.getTracks()) {
    const encodings = track.kind === "video" ? { sendEncodings } : {};
    pc.addTransceiver(track, { direction: "sendonly", ...encodings });
  }
  window.client = new npm.whip();
  await client.publish(pc, url);
}"""
INGEST = """async (url) => {
  window.client = new npm.ingest({ endpoint: url, opts: { iceServers: [] } });
  await client.ingest(await interop.camera(640, 360));
  return client.getResourceUrl();
}"""
KEEP_EVENTS = """() => {
  window.events = {};
  window.EventSource = class extends EventSource {
    constructor(url) {
      super(url);
      for (const type of ["active", "inactive", "layers", "reconnect", "viewercount"]) {
        this.addEventListener(type, ({ data }) => { events[type] = JSON.parse(data); });
      }
    }
  };
}"""
BOTH_ENCODINGS = """() => interop.until(
  () => new Set(events.layers?.["1"]
    .filter(({ bitrate, width }) => bitrate > 0 && width).map(({ rid }) => rid)).size === 2,
  "two active encodings")"""
RECEIVES_WIDTH = """(width) => interop.until(
  async () => (await interop.stats(connections[0])).video?.frameWidth === width,
  `${width} pixels`)"""
VIEW = """async (url) => {
  const pc = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
  pc.addTransceiver("audio", { direction: "recvonly" });
  pc.addTransceiver("video", { direction: "recvonly" });
  const video = Object.assign(document.createElement("video"), { autoplay: true });
  pc.ontrack = ({ streams }) => { video.srcObject = streams[0]; };
  document.body.append(video);
  window.client = new npm.whep();
  await client.view(pc, url);
}"""
PLAY = """async (url) => {
  const video = Object.assign(document.createElement("video"), { autoplay: true });
  document.body.append(video);
  window.client = new npm.player({ video, type: "whep", iceServers: [] });
  await client.load(new URL(url));
}"""


async def opened(browser: Browser, server: Server) -> Page:
    page = await browser.page(server.url("/livez"))
    await page.include(PAGE_SCRIPT)
    await page.run(KEEP_CONNECTIONS)
    await npm_clients.load(page)
    return page


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with one candidate: whip-whep 1.2.0 joins those of an ICE restart with commas."""
    with serving(tmp_path_factory.mktemp("server"), "--advertise", "127.0.0.1") as running:
        yield running


async def test_whip_whep_publishes_plays_selects_layers_and_restarts_ice(
    browser: Browser, server: Server
) -> None:
    publisher, viewer = await opened(browser, server), await opened(browser, server)
    await publisher.run(PUBLISH, server.url("/whip/medooze"))
    await publisher.run(
        "() => interop.until(() => connections[0].connectionState === 'connected', 'WHIP')"
    )
    await viewer.run(KEEP_EVENTS)
    await viewer.run(VIEW, server.url("/whep/medooze"))
    await viewer.run(DECODED, 10)
    await viewer.run(BOTH_ENCODINGS)
    events = await viewer.run("() => events")
    assert (events["active"], events["viewercount"]) == ({}, {"viewercount": 1})
    assert list(dict.fromkeys(one["rid"] for one in events["layers"]["1"])) == ["h", "q"]
    assert {one.get("temporalLayerId") for one in events["layers"]["1"]} >= {0, 1}
    for rid, width in (("q", 320), ("h", 640)):
        await viewer.run("(rid) => client.selectLayer({ mediaId: '1', rid })", rid)
        await viewer.run(RECEIVES_WIDTH, width)
    await viewer.run("() => client.unselectLayer()")
    for page in (publisher, viewer):
        await page.run("() => client.restart()")
    await viewer.run(DECODED, 30)
    await publisher.run("() => client.stop()")
    await viewer.run("() => interop.until(() => events.inactive, 'the event inactive')")
    assert not [room for room in server.rooms()["rooms"] if room["participants"]]


async def test_the_clients_of_eyevinn_publish_and_play(browser: Browser, server: Server) -> None:
    publisher, viewer = await opened(browser, server), await opened(browser, server)
    resource = await publisher.run(INGEST, server.url("/whip/eyevinn"))
    assert resource.startswith(server.url("/sessions/"))
    await publisher.run(
        "() => interop.until(() => connections[0].connectionState === 'connected', 'WHIP')"
    )
    await viewer.run(PLAY, server.url("/whep/eyevinn"))
    await viewer.run(DECODED, 10)
    await viewer.run("() => client.unload()")
    await publisher.run("() => client.destroy()")
    assert not [room for room in server.rooms()["rooms"] if room["participants"]]
