"""Chromium behind a firewall that passes one way to a TURN server: coturn as it is shipped."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.interop.browser import Browser, Page, chromium
from tests.interop.layer_link import KEEP_CAPTURE, KEEP_CONNECTIONS, SMALL_CANVAS
from tests.interop.relay_lab import RelayLab, relay_lab

pytestmark = pytest.mark.realtime

SELECTED = """async () => {
  const used = [];
  for (const pc of connections) {
    const stats = await pc.getStats();
    for (const entry of stats.values()) {
      if (entry.type !== "transport" || !entry.selectedCandidatePairId) continue;
      const local = stats.get(stats.get(entry.selectedCandidatePairId).localCandidateId);
      used.push(`${local.candidateType} ${local.relayProtocol}`);
    }
  }
  return used;
}"""
LOADED = """async () => {
  const deadline = performance.now() + 20_000;
  while (!window.sfukit) {
    if (performance.now() > deadline) throw new Error("the page has not loaded");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}"""
DECODES = """async (frames) => {
  const decoded = async () => {
    for (const pc of connections) {
      for (const entry of (await pc.getStats()).values()) {
        if (entry.type === "inbound-rtp" && entry.kind === "video") return entry.framesDecoded;
      }
    }
    return 0;
  };
  const deadline = performance.now() + 40_000;
  while (await decoded() < frames) {
    if (performance.now() > deadline) throw new Error(`${await decoded()} frames`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}"""
KEEP_SOCKETS = """() => {
  window.sockets = [];
  window.WebSocket = class extends WebSocket {
    constructor(...options) {
      super(...options);
      window.sockets.push(this);
    }
  };
}"""
# As the server sends it before credentials expire, an hour after the join.
NOTIFY = """(servers) => {
  const params = { ice_servers: servers };
  const data = JSON.stringify({ jsonrpc: "2.0", method: "ice-servers", params });
  sockets.at(-1).dispatchEvent(new MessageEvent("message", { data }));
  return connections.slice(-2).map((pc) => pc.getConfiguration().iceServers);
}"""
# The offer is sent before candidates are gathered: the ICE servers are in the response.
WHIP_OR_WHEP = """async (url, token, publishes) => {
  const pc = new RTCPeerConnection({ bundlePolicy: "max-bundle", iceTransportPolicy: "relay" });
  const canvas = document.createElement("canvas");
  const track = publishes ? canvas.captureStream(15).getTracks()[0] : "video";
  pc.addTransceiver(track, { direction: publishes ? "sendonly" : "recvonly" });
  const offer = await pc.createOffer();
  const headers = { "Content-Type": "application/sdp", Authorization: `Bearer ${token}` };
  const response = await fetch(url, { method: "POST", headers, body: offer.sdp });
  if (response.status !== 201) throw new Error(`${response.status} ${await response.text()}`);
  const links = [...response.headers.get("Link").matchAll(
    /<([^>]+)>; rel="ice-server"; username="([^"]+)"; credential="([^"]+)"/g)];
  const iceServers = links.map(
    ([, urls, username, credential]) => ({ urls, username, credential }));
  pc.setConfiguration({ ...pc.getConfiguration(), iceServers });
  await pc.setLocalDescription(offer);
  await pc.setRemoteDescription({ type: "answer", sdp: await response.text() });
  return iceServers.map(({ urls }) => urls);
}"""


async def opened(browser: Browser, lab: RelayLab, identity: str) -> Page:
    """Open the demo page, with a small canvas in place of its own."""
    page = await browser.page(lab.page(identity))
    await page.run(LOADED)
    for script in (KEEP_CAPTURE, SMALL_CANVAS, KEEP_CONNECTIONS, KEEP_SOCKETS):
        await page.run(script)
    return page


@pytest.mark.network_namespace
async def test_rooms_whip_and_whep_by_one_transport_to_the_relay(
    chromium_program: str, tmp_path: Path
) -> None:
    with relay_lab(tmp_path) as lab:
        relay = lab.relay
        ways = {
            "udp": f"udp dport {relay.port}",
            "tcp": f"tcp dport {relay.port}",
            "tls": f"tcp dport {relay.tls_port}",
        }
        flags = (
            "--ignore-certificate-errors",  # the TURN server's is self-signed
            f"--unsafely-treat-insecure-origin-as-secure={lab.server.http}",
        )
        async with chromium(chromium_program, *flags, prefix=lab.client.prefix) as browser:
            for protocol, rule in ways.items():
                lab.let_through(rule)
                await in_a_room(browser, lab, protocol)
                await by_whip_and_whep(browser, lab, protocol)
    log = (tmp_path / "turnserver.log").read_text()
    users = set(re.findall(r"user <\d+:([^>]*)>.*ALLOCATE processed, success", log))
    assert users
    assert all(re.fullmatch("[0-9a-f]{24}", user) for user in users)
    assert not re.search("ann:|carol", log)


async def in_a_room(browser: Browser, lab: RelayLab, protocol: str) -> None:
    """Publish and view on the demo page."""
    publisher = await opened(browser, lab, f"ann:{protocol}")
    viewer = await opened(browser, lab, f"bob:{protocol}")
    join = "(room, source) => sfukit.join({ room, name: source, source })"
    await publisher.run(join, protocol, "canvas")
    await viewer.run(join, protocol, "none")
    await viewer.run(DECODES, 10)
    renewed = [{"urls": [lab.relay.tls], "username": "1:b", "credential": "c"}]
    assert await viewer.run(NOTIFY, renewed) == [renewed, renewed]
    for page in (publisher, viewer):
        used: list[Any] = await page.run(SELECTED)
        assert set(used) == {f"relay {protocol}"}, page.console
        await page.close()


async def by_whip_and_whep(browser: Browser, lab: RelayLab, protocol: str) -> None:
    """Publish by WHIP and play by WHEP with the ICE servers of the responses."""
    publisher = await opened(browser, lab, "carol")
    viewer = await opened(browser, lab, "dave")
    offered = [lab.relay.udp, f"{lab.relay.uri}?transport=tcp", lab.relay.tls]
    endpoints = (
        (publisher, "whip", "carol", True),
        (viewer, "whep", "dave", False),
    )
    for page, kind, identity, publishes in endpoints:
        url = lab.server.url(f"/{kind}/stage-{protocol}")
        listed = await page.run(WHIP_OR_WHEP, url, lab.token(identity), publishes)
        assert listed == offered
    await viewer.run(DECODES, 10)
    for page in (publisher, viewer):
        assert await page.run(SELECTED) == [f"relay {protocol}"]
        await page.close()
