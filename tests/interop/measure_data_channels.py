"""Measure data channels in Chromium: `python -m tests.interop.measure_data_channels [RECEIVERS]`.

One participant sends 1 KiB messages, 100 a second, to all others on a reliable channel; then one
sends as much as it can to another. All peer connections are in one Chromium, whose own work is part
of the delays.
"""

import asyncio
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import httpx

from tests.interop.browser import ON_LOOPBACK, WITH_CAMERA, chromium
from tests.interop.server import Server, serving

SCRIPT = (Path(__file__).parent / "data_channels.js").read_text()
JOIN = """
    window.peers = Array.from({ length: count + 1 }, (_, number) => new DataPeer(`p${number}`));
    const [sender, ...receivers] = peers;
    for (const peer of receivers) await peer.join("load");
    await sender.join("load", { load: {} });
    const open = (peer) => peer.received?.load?.readyState === "open";
    await until(() => receivers.every(open), "every channel", 120);
"""
SEND = """
    const [sender, ...receivers] = peers;
    const [delays, last] = [[], receivers.map(() => -1)];
    let unordered = 0;
    receivers.forEach((peer, place) => {
      peer.onmessage = ({ data, at }) => {
        const view = new DataView(data);
        if (view.getUint32(0) !== last[place] + 1) unordered += 1;
        last[place] = view.getUint32(0);
        delays.push(at - view.getFloat64(4));
      };
    });
    const begin = performance.now();
    const messages = seconds * 100;
    for (let number = 0; number < messages; number += 1) {
      const due = begin + number * 10;
      while (performance.now() < due) await new Promise((resolve) => setTimeout(resolve, 1));
      const message = new DataView(new ArrayBuffer(1024));
      message.setUint32(0, number);
      message.setFloat64(4, performance.now());
      sender.channels.load.send(message.buffer);
    }
    const all = receivers.length * messages;
    await until(() => delays.length === all, "every message", 30).catch(() => {});
    delays.sort((one, other) => one - other);
    const at = (share) => delays[Math.floor(delays.length * share)];
    return { lost: all - delays.length, unordered, p50_ms: at(0.5), p99_ms: at(0.99) };
"""
BULK = """
    const [ann, bob] = ["ann", "bob"].map((uid) => new DataPeer(uid));
    await bob.join("bulk");
    await ann.join("bulk", { bulk: {} });
    await until(() => bob.received?.bulk?.readyState === "open", "open");
    const channel = ann.channels.bulk;
    channel.bufferedAmountLowThreshold = 1024 * 1024;
    let bytes = 0;
    bob.onmessage = ({ data }) => (bytes += data.byteLength);
    const message = new Uint8Array(64 * 1024);
    const begin = performance.now();
    while (performance.now() < begin + seconds * 1000) {
      channel.send(message);
      if (channel.bufferedAmount > 4 * 1024 * 1024) {
        await new Promise((resolve) => (channel.onbufferedamountlow = resolve));
      }
    }
    return { mbps: (bytes * 8) / 1e3 / (performance.now() - begin), closed: bob.closed };
"""


def counted(server: Server) -> tuple[float, float]:
    """Return the CPU time of the media workers in seconds, and the messages sent."""
    text = httpx.get(server.url("/metrics"), trust_env=False).text
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    sent = values['sfukit_data_messages_total{result="sent"}']
    return float(values["sfukit_engine_cpu_seconds_total"]), float(sent)


async def measure(receivers: int, seconds: int) -> dict[str, Any]:
    """Run both transfers; return their figures."""
    program = shutil.which("chromium")
    if program is None:
        raise SystemExit("needs Chromium: apt-get install chromium")
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as server:
        async with chromium(program, ON_LOOPBACK, *WITH_CAMERA) as browser:
            page = await browser.page(server.url("/livez"))
            await page.run(f"async (count) => {{ {SCRIPT}\n{JOIN} }}", receivers)
            before = counted(server)
            shared = await page.run(f"async (seconds) => {{ {SCRIPT}\n{SEND} }}", seconds)
            cpu_s, sent = (
                after - earlier for after, earlier in zip(counted(server), before, strict=True)
            )
            shared |= {"sent": sent, "cpu_us_per_message": cpu_s * 1e6 / max(1, sent)}
            await page.open(server.url("/livez"))
            bulk = await page.run(f"async (seconds) => {{ {SCRIPT}\n{BULK} }}", seconds)
            return {"receivers": receivers, "shared": shared, "bulk": bulk}


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    sys.stdout.write(json.dumps(asyncio.run(measure(count, 10)), indent=2) + "\n")
