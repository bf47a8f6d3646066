"""Record ICE failures of Chromium: ``python -m tests.interop.ice_fixtures [NAME...]``, as root.

Chromium and Debian's coturn run in a network namespace; ``tests/fixtures/ice`` has the recordings.
"""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from tests.interop.browser import WITH_CAMERA, Browser, Page, chromium
from tests.interop.coturn import coturn
from tests.interop.namespace import ADDRESS, Namespace, namespace

FOLDER = Path(__file__).resolve().parents[1] / "fixtures" / "ice"
SECRET = "lab"
EXPIRED = "1700000000:ann"
PORT = 3478
STUN = f"stun:{ADDRESS}:{PORT}"
TURN = f"turn:{ADDRESS}:{PORT}?transport=udp"
SERVER_UDP = f"udp dport {PORT} drop"

SCRIPT = """() => {
    const make = (config) => new RTCPeerConnection(config);
    const gathered = (pc) => new Promise((resolve) => {
        const check = () => pc.iceGatheringState === "complete" && resolve();
        pc.addEventListener("icegatheringstatechange", check);
        check();
    });
    const reached = (pc, ...states) => new Promise((resolve) => {
        const check = () =>
            states.includes(pc.iceConnectionState) && resolve(pc.iceConnectionState);
        pc.addEventListener("iceconnectionstatechange", check);
        check();
    });
    const stats = async (pc) => Object.fromEntries((await pc.getStats()).entries());
    const offer = async (config) => {
        const pc = make(config);
        pc.createDataChannel("d");
        await pc.setLocalDescription();
        await gathered(pc);
        return pc;
    };
    const answer = async (pc, config, rewrite, withoutCandidates) => {
        const other = make(config);
        let sdp = pc.localDescription.sdp;
        if (withoutCandidates) sdp = sdp.replace(/^a=candidate:.*\\r\\n/gm, ""); // no checks
        await other.setRemoteDescription({ type: "offer", sdp });
        await other.setLocalDescription();
        await gathered(other);
        window.other = other;
        return { type: "answer", sdp: rewrite(other.localDescription.sdp) };
    };
    window.lab = { make, gathered, reached, stats, offer, answer };
}"""

CAPTURE = """() => new Promise((resolve) => {
    URL.createObjectURL = (blob) => { blob.text().then(resolve); return "#"; };
    document.getElementById("dump-checkbox").checked = false; // else it is gzip
    document.getElementById("dump-click-target").click();
})"""


class Lab:
    """Chromium in a namespace: a page with peer connections, and chrome://webrtc-internals."""

    def __init__(self, browser: Browser, own: Namespace, page: Page, internals: Page) -> None:
        self.browser, self.own, self.page, self.internals = browser, own, page, internals

    async def dump(self) -> dict[str, Any]:
        """Return the dump that chrome://webrtc-internals writes."""
        await asyncio.sleep(2)  # events arrive later, statistics once a second
        return dict(json.loads(await self.internals.run(CAPTURE)))

    def firewall(self, *rules: str) -> None:
        """Drop inbound packets that match one of the rules."""
        nft(self.own, "flush ruleset", "add table inet lab")
        nft(self.own, "add chain inet lab input { type filter hook input priority 0; }")
        for rule in rules:
            nft(self.own, f"add rule inet lab input {rule}")


def nft(own: Namespace, *commands: str) -> None:
    subprocess.run(
        [*own.prefix, "nft", "-f", "-"], input="\n".join(commands), text=True, check=True
    )


@contextlib.asynccontextmanager
async def lab(*flags: str) -> AsyncIterator[Lab]:
    secret = ("--use-auth-secret", "--static-auth-secret", SECRET)
    with (
        namespace() as own,
        tempfile.TemporaryDirectory() as folder,
        coturn(Path(folder), *secret, host=ADDRESS, port=PORT, prefix=own.prefix),
    ):
        async with chromium("chromium", *flags, prefix=own.prefix) as browser:
            internals = await browser.page("chrome://webrtc-internals")
            page = await browser.page("data:text/html,<title>call</title>")
            await page.run(SCRIPT)
            yield Lab(browser, own, page, internals)


def password(user: str) -> str:
    """Return the credential of a user name (TURN REST API)."""
    return base64.b64encode(hmac.digest(SECRET.encode(), user.encode(), hashlib.sha1)).decode()


CALL = """async (config, to, address, until) => {
    const pc = await lab.offer(config);
    const rewrite = (sdp) => address ? sdp.replaceAll(to, address) : sdp;
    const answer = await lab.answer(pc, {}, rewrite, Boolean(address));
    await pc.setRemoteDescription(answer);
    window.pc = pc;
    const state = await lab.reached(pc, ...until);
    return { state, offer: pc.localDescription.sdp, answer: answer.sdp,
             stats: await lab.stats(pc), farStats: await lab.stats(other) };
}"""


async def connected(running: Lab) -> None:
    await running.page.run(
        "async () => { await navigator.mediaDevices?.getUserMedia({audio: true}) }"
    )
    result = await running.page.run(CALL, {"iceServers": [{"urls": STUN}]}, "", "", ["connected"])
    write("connected.offer.sdp", result["offer"])
    write("connected.answer.sdp", result["answer"])
    write_json("connected.internals.json", await running.dump())
    write_json("connected.stats.json", await running.page.run("() => lab.stats(pc)"))


async def wrong_address(running: Lab) -> None:
    """A peer that advertises the address of its container."""
    result = await running.page.run(CALL, {}, ADDRESS, "172.17.0.2", ["failed", "disconnected"])
    write("wrong-address.answer.sdp", result["answer"])
    write_json("wrong-address.stats.json", result["stats"])
    write_json("wrong-address.internals.json", await running.dump())


async def no_udp(running: Lab) -> None:
    """A firewall that drops all inbound UDP."""
    running.firewall("meta l4proto udp drop")
    config = {"iceServers": [{"urls": STUN}]}
    result = await running.page.run(CALL, config, "", "", ["failed", "disconnected"])
    write_json("no-udp.stats.json", result["stats"])
    write_json("no-udp.internals.json", await running.dump())


async def mdns_only(running: Lab) -> None:
    sdp = await running.page.run("async () => (await lab.offer({})).localDescription.sdp")
    write("mdns-only.offer.sdp", sdp)


async def turn_expired(running: Lab) -> None:
    server = {"urls": TURN, "username": EXPIRED, "credential": password(EXPIRED)}
    await relay_only(running, server, "turn-expired")


async def turn_refused(running: Lab) -> None:
    user = "4102444800:ann"
    server = {"urls": TURN, "username": user, "credential": "not the password"}
    await relay_only(running, server, "turn-refused")


async def relay_only(running: Lab, server: dict[str, str], name: str) -> None:
    config = {"iceServers": [server], "iceTransportPolicy": "relay"}
    await running.page.run(
        """async (config) => {
            const pc = await lab.offer(config);
            const answer = await lab.answer(pc, {}, (sdp) => sdp);
            await pc.setRemoteDescription(answer);
        }""",
        config,
    )
    write_json(f"{name}.internals.json", await running.dump())


async def one_way(running: Lab) -> None:
    """Packets of this peer are dropped, those of the remote peer arrive."""
    port = await running.page.run(
        """async () => {
            window.pc = await lab.offer({});
            return Number(/candidate:\\S+ 1 udp \\d+ \\S+ (\\d+)/.exec(pc.localDescription.sdp)[1]);
        }"""
    )
    running.firewall(f"udp sport {port} drop")
    result = await running.page.run(
        """async () => {
            await pc.setRemoteDescription(await lab.answer(pc, {}, (sdp) => sdp));
            await new Promise((resolve) => setTimeout(resolve, 5000)); // later, pairs are deleted
            return { stats: await lab.stats(pc), farStats: await lab.stats(other) };
        }"""
    )
    write_json("one-way.stats.json", result["stats"])
    write_json("one-way.far.stats.json", result["farStats"])
    await running.page.run("() => lab.reached(pc, 'failed', 'disconnected')")
    write_json("one-way.internals.json", await running.dump())


async def consent_lost(running: Lab) -> None:
    """A selected pair that fails after it was connected."""
    await running.page.run(CALL, {}, "", "", ["connected"])
    await asyncio.sleep(2)
    running.firewall("meta l4proto udp drop")
    await running.page.run("() => lab.reached(pc, 'disconnected')")
    await asyncio.sleep(3)
    write_json("consent-lost.internals.json", await running.dump())
    write_json("consent-lost.stats.json", await running.page.run("() => lab.stats(pc)"))


async def no_answer(running: Lab) -> None:
    """An offer without an answer."""
    await running.page.run("async () => { await lab.offer({}) }")
    write_json("no-answer.internals.json", await running.dump())


Recording = Callable[[Lab], Awaitable[None]]
RECORDINGS: dict[str, Recording] = {
    each.__name__: each
    for each in (
        *(connected, wrong_address, no_udp, mdns_only, turn_expired, turn_refused),
        *(one_way, consent_lost, no_answer),
    )
}
WITH_MDNS = {"mdns_only"}
WITHOUT_MDNS = (*WITH_CAMERA, "--disable-features=WebRtcHideLocalIpsWithMdns")
ICE_STATISTICS = {"candidate-pair", "local-candidate", "remote-candidate", "transport"}


def write(name: str, text: str) -> None:
    (FOLDER / name).write_bytes(text.encode())


def write_json(name: str, document: dict[str, Any]) -> None:
    """Write the ICE statistics alone; a whole dump is forty times as large."""
    for connection in document.get("PeerConnections", {}).values():
        connection["stats"] = {
            name: series
            for name, series in connection["stats"].items()
            if series["statsType"] in ICE_STATISTICS and "[" not in name
        }
    write(name, json.dumps(document, indent=1) + "\n")


async def main(names: list[str]) -> None:
    for name in names or RECORDINGS:
        flags = () if name in WITH_MDNS else WITHOUT_MDNS
        async with lab(*flags) as running:
            await asyncio.wait_for(RECORDINGS[name](running), 120)
        sys.stdout.write(f"{name}\n")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
