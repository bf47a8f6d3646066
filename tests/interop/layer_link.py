"""A viewer of SVC behind a link of changing capacity: `python -m tests.interop.layer_link CODEC`.

The viewer's page gets the port of an impairing forwarder as the only candidate of the server. The
publisher's canvas has 640x360 pixels and 15 frames/s, which Chromium encodes on one core.
"""

import asyncio
import shutil
import sys
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sfukit.loadgen.latency.independent.forwarder import Forwarder
from sfukit.loadgen.latency.independent.impaired_path import ImpairedPath
from sfukit.swarm.impairment import Impairment
from tests.interop.browser import ON_LOOPBACK, Browser, Page, chromium
from tests.interop.server import Server, serving

FULL_RUN: tuple[tuple[int, float], ...] = (
    (2_500_000, 15.0),
    (1_000_000, 12.0),
    (400_000, 12.0),
    (1_000_000, 15.0),
    (2_500_000, 15.0),
)
DELAY_MS = 50.0
SAMPLE_S = 0.5
WITHIN_S = 20.0

SMALL_CANVAS = """() => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 640, height: 360 });
  const context = canvas.getContext("2d", { alpha: false });
  const cell = 8;
  let frame = 0;
  const draw = () => {
    frame += 1;
    for (let y = 0; y < 360; y += cell) {
      for (let x = 0; x < 640; x += cell) {
        const light = 50 + 30 * Math.sin((x + 5 * frame) / 40) * Math.cos((y - 3 * frame) / 30);
        context.fillStyle = `hsl(${(x + y + 4 * frame) % 360} 60% ${light}%)`;
        context.fillRect(x, y, cell, cell);
      }
    }
  };
  draw();
  setInterval(draw, 1000 / 15);
  HTMLCanvasElement.prototype.captureStream = () => new MediaStream(
    canvas.constructor.prototype.original.call(canvas, 15).getTracks());
}"""
KEEP_CAPTURE = """() => {
  HTMLCanvasElement.prototype.original = HTMLCanvasElement.prototype.captureStream;
}"""
KEEP_CONNECTIONS = """() => {
  window.connections = [];
  window.RTCPeerConnection = class extends RTCPeerConnection {
    constructor(...options) {
      super(...options);
      window.connections.push(this);
    }
  };
}"""
BEHIND_FORWARDER = """(candidate) => {
  const original = RTCPeerConnection.prototype.setRemoteDescription;
  RTCPeerConnection.prototype.setRemoteDescription = function ({ type, sdp }) {
    let given = false;
    const lines = sdp.split("\\r\\n").flatMap((line) => {
      if (!line.startsWith("a=candidate:")) return [line];
      if (given) return [];
      given = true;
      return [`a=${candidate}`];
    });
    return original.call(this, { type, sdp: lines.join("\\r\\n") });
  };
}"""
RECEIVED = """async () => {
  for (const pc of connections) {
    for (const entry of (await pc.getStats()).values()) {
      if (entry.type !== "inbound-rtp" || entry.kind !== "video") continue;
      const { frameWidth, framesDecoded, freezeCount, bytesReceived, pliCount } = entry;
      return { width: frameWidth ?? 0, decoded: framesDecoded ?? 0, freezes: freezeCount ?? 0,
               bytes: bytesReceived ?? 0, plis: pliCount ?? 0 };
    }
  }
  return null;
}"""
SENT = """async () => {
  for (const pc of connections) {
    for (const entry of (await pc.getStats()).values()) {
      if (entry.type !== "outbound-rtp" || entry.kind !== "video") continue;
      const { keyFramesEncoded, pliCount, qualityLimitationReason, bytesSent } = entry;
      return { keyframes: keyFramesEncoded ?? 0, plis: pliCount ?? 0,
               cpu: qualityLimitationReason === "cpu", bytes: bytesSent ?? 0 };
    }
  }
  return null;
}"""


@dataclass(frozen=True)
class Sample:
    """What the viewer decoded in half a second, and what the publisher encoded."""

    at_s: float
    capacity_bps: int
    phase: int
    phase_s: float
    width: int
    fps: float
    received_bps: int
    sent_bps: int
    freezes: int
    keyframes: int
    requests: int
    cpu_limited: bool
    estimate_bps: int | None


class Link:
    """The path from the server to the viewer."""

    def __init__(self, capacity_bps: int) -> None:
        delay = Impairment(delay_ms=DELAY_MS)
        self._down = ImpairedPath(self._impairment(capacity_bps), 1)
        self._forwarder = Forwarder(ImpairedPath(delay, 2), self._down, _ignore, _ignore)

    async def candidate(self, server: Server) -> str:
        """Return the candidate of the server by way of the forwarder."""
        direct = f"candidate:1 1 udp 2130706431 127.0.0.1 {server.udp_port} typ host"
        candidate = await self._forwarder.candidate(direct)
        assert candidate is not None
        return candidate

    def set_capacity(self, capacity_bps: int) -> None:
        """Change the capacity."""
        self._down.change(self._impairment(capacity_bps))

    def close(self) -> None:
        """Close the sockets."""
        self._forwarder.close()

    @staticmethod
    def _impairment(capacity_bps: int) -> Impairment:
        return Impairment(rate_bps=capacity_bps, queue_ms=300.0, delay_ms=DELAY_MS)


async def run(
    browser: Browser, server: Server, codec: str, phases: Sequence[tuple[int, float]]
) -> list[Sample]:
    """Publish and view through phases of (capacity, seconds); return a sample each half second."""
    link = Link(phases[0][0])
    publisher = await browser.page(server.url("/"))
    await publisher.run(KEEP_CAPTURE)
    await publisher.run(SMALL_CANVAS)
    viewer = await browser.page(server.url("/"))
    for page in (publisher, viewer):
        await page.run(KEEP_CONNECTIONS)
    await viewer.run(BEHIND_FORWARDER, await link.candidate(server))
    join = "(room, source, codec) => sfukit.join({ room, name: source, source, codec })"
    try:
        await publisher.run(join, f"link-{codec}", "canvas", codec)
        await viewer.run(join, f"link-{codec}", "none", codec)
        await _until_decoded(viewer)
        request = """() => sfukit.setLayer(
          sfukit.streams.find(({ kind }) => kind === "video").publication, { spatial: 3 })"""
        await viewer.run(request)
        return await _measure(publisher, viewer, link, phases)
    finally:
        for page in (publisher, viewer):
            await page.run("() => sfukit.leave()")
        link.close()


async def _until_decoded(viewer: Page) -> None:
    for _ in range(int(WITHIN_S * 10)):
        row = await viewer.run(RECEIVED)
        await viewer.run("() => sfukit.measure()")
        if row and row["decoded"] > 0 and await viewer.run("() => sfukit.streams.length > 1"):
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"no video was decoded: {viewer.console[-5:]}")


async def _measure(
    publisher: Page, viewer: Page, link: Link, phases: Sequence[tuple[int, float]]
) -> list[Sample]:
    loop = asyncio.get_running_loop()
    samples: list[Sample] = []
    started = last = loop.time()
    received, sent = await viewer.run(RECEIVED), await publisher.run(SENT)
    for phase, (capacity_bps, seconds) in enumerate(phases):
        link.set_capacity(capacity_bps)
        begun = loop.time()
        while loop.time() < begun + seconds:
            await asyncio.sleep(SAMPLE_S)
            row, encoded, now = await viewer.run(RECEIVED), await publisher.run(SENT), loop.time()
            samples.append(
                Sample(
                    now - started,
                    capacity_bps,
                    phase,
                    now - begun,
                    row["width"],
                    (row["decoded"] - received["decoded"]) / (now - last),
                    int((row["bytes"] - received["bytes"]) * 8 / (now - last)),
                    int((encoded["bytes"] - sent["bytes"]) * 8 / (now - last)),
                    row["freezes"] - received["freezes"],
                    encoded["keyframes"] - sent["keyframes"],
                    encoded["plis"] - sent["plis"],
                    encoded["cpu"],
                    await viewer.run("() => sfukit.quality?.estimate_bps ?? null"),
                )
            )
            received, sent, last = row, encoded, now
    return samples


def table(samples: Sequence[Sample]) -> str:
    """Return a row for each phase: what was decoded three seconds after the change and later."""
    lines = [
        "| capacity kb/s | sent to the server kb/s | received kb/s | width | frames/s | freezes "
        "| keyframe requests | seconds limited by CPU |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for phase in range(samples[-1].phase + 1):
        rows = [sample for sample in samples if sample.phase == phase]
        settled = [row for row in rows if row.phase_s > 3.0 and not row.cpu_limited] or rows
        widths = sorted({row.width for row in settled})
        cells: list[Any] = [
            round(rows[0].capacity_bps / 1000),
            round(_mean([row.sent_bps for row in settled]) / 1000),
            round(_mean([row.received_bps for row in settled]) / 1000),
            ", ".join(map(str, widths)),
            round(_mean([row.fps for row in settled]), 1),
            sum(row.freezes for row in rows),
            sum(row.requests for row in rows),
            SAMPLE_S * sum(row.cpu_limited for row in rows),
        ]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _ignore(data: bytes, at_s: float) -> None:
    pass


async def main(codecs: Sequence[str]) -> None:
    """Print the table of the full run of each codec."""
    program = shutil.which("chromium")
    if program is None:
        sys.exit("layer_link: chromium is not installed; on Debian: apt-get install chromium")
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        server = stack.enter_context(serving(Path(folder)))
        for codec in codecs:
            async with chromium(program, ON_LOOPBACK) as browser:
                samples = await run(browser, server, codec, FULL_RUN)
            sys.stdout.write(f"\n{codec}\n\n{table(samples)}\n")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:] or ("vp9", "av1")))
