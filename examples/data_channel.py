"""Chat in a room by a data channel, with aiortc: send lines of the input, print those of others.

    pip install aiortc websockets
    python examples/data_channel.py ws://127.0.0.1:7080/ws demo [NAME]

The demo page has the same chat; docs/data-channels.md describes the channels.
"""

import asyncio
import contextlib
import itertools
import json
import sys

from aiortc import RTCConfiguration, RTCDataChannel, RTCPeerConnection, RTCSessionDescription
from websockets.asyncio.client import ClientConnection, connect

PROTOCOL = "sfukit.to"  # each message begins with a line: the receiver, on arrival the sender


class Chat:
    """A participant without media: it opens one channel, the server one to it."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        direct = RTCConfiguration(iceServers=[])  # the server has an address that is reachable
        self.publishing, self.subscribing = RTCPeerConnection(direct), RTCPeerConnection(direct)
        self.channel = self.publishing.createDataChannel("chat", protocol=PROTOCOL)
        self.channel.on("open", lambda: print("connected", flush=True))
        self.subscribing.on("datachannel", self.opened)
        self.numbers = itertools.count(1)

    def opened(self, channel: RTCDataChannel) -> None:
        """Print the messages of a channel that the server has opened."""
        if channel.label == "chat" and channel.protocol == PROTOCOL:
            channel.on("message", print_message)

    async def run(self, room: str, uid: str | None) -> None:
        """Join, then answer what the server offers."""
        await self.publishing.setLocalDescription(await self.publishing.createOffer())
        offer = {"type": "offer", "sdp": self.publishing.localDescription.sdp}
        await self.call("join", {"sid": room, "uid": uid, "offer": offer})
        async for text in self.socket:
            received = json.loads(text)
            for message in received if isinstance(received, list) else [received]:
                await self.handle(message)

    async def call(self, method: str, params: dict) -> None:
        """Call a method; its result is handled like all else that arrives."""
        request = {"jsonrpc": "2.0", "id": next(self.numbers), "method": method, "params": params}
        await self.socket.send(json.dumps(request))

    async def handle(self, message: dict) -> None:
        """Apply the answer to the offer, and answer offers."""
        if "error" in message:
            raise SystemExit(message["error"]["message"])
        if answer := message.get("result", {}).get("sdp"):
            await self.publishing.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        elif message.get("method") == "offer":
            offer = message["params"]
            await self.subscribing.setRemoteDescription(
                RTCSessionDescription(offer["sdp"], "offer")
            )
            await self.subscribing.setLocalDescription(await self.subscribing.createAnswer())
            desc = {"type": "answer", "sdp": self.subscribing.localDescription.sdp}
            await self.call("answer", {"desc": desc, "version": offer["version"]})

    async def send_lines(self) -> None:
        """Send each line of the input to all others."""
        while line := await asyncio.to_thread(sys.stdin.readline):
            if self.channel.readyState == "open":
                self.channel.send("\n" + json.dumps({"text": line.rstrip("\n")}))


def print_message(message: str | bytes) -> None:
    """Print a message with its sender, whose uid is its first line."""
    if isinstance(message, str):
        uid, _, content = message.partition("\n")
        print(f"{uid}: {json.loads(content)['text']}", flush=True)


async def chat(url: str, room: str, uid: str | None = None) -> None:
    """Chat until the input or the connection ends."""
    async with connect(url, proxy=None) as socket:
        participant = Chat(socket)
        tasks = [
            asyncio.create_task(participant.run(room, uid)),
            asyncio.create_task(participant.send_lines()),
        ]
        done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        await participant.publishing.close()
        await participant.subscribing.close()
        for task in done:
            task.result()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(chat(*sys.argv[1:]))
