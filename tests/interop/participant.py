"""A participant made of aiortc, with JSON-RPC over WebSocket written by docs/protocol.md alone."""

import asyncio
import contextlib
import itertools
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from typing import Any

from aiortc import MediaStreamTrack, RTCPeerConnection, RTCSessionDescription
from websockets.asyncio.client import ClientConnection, connect

from sfukit.loadgen.latency.independent.forwarder import Forwarder
from tests.interop.peers import connected

ANSWER_S = 20.0


class RpcError(AssertionError):
    """The server answered a call with an error."""


class Participant:
    """One participant with its two peer connections."""

    def __init__(
        self, socket: ClientConnection, uid: str, *, passive: bool, path: Forwarder | None
    ) -> None:
        self.uid = uid
        self._path = path
        self._passive = passive
        self.publishing = RTCPeerConnection()
        self.subscribing = RTCPeerConnection()
        self.notifications: list[tuple[str, dict[str, Any]]] = []
        self._socket = socket
        self._numbers = itertools.count(1)
        self._calls: dict[int, asyncio.Future[Any]] = {}
        self._tracks: dict[tuple[str, str], asyncio.Future[MediaStreamTrack]] = defaultdict(
            asyncio.get_running_loop().create_future
        )
        self._changed = asyncio.Condition()
        self._offers: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._answer())]

    async def join(self, room: str, tracks: Sequence[MediaStreamTrack] = ()) -> dict[str, Any]:
        """Join, with an offer if there are tracks or data channels to publish."""
        params: dict[str, Any] = {"sid": room, "uid": self.uid}
        for track in tracks:
            self.publishing.addTransceiver(track, direction="sendonly")
        if tracks or self.publishing.sctp:
            await self.publishing.setLocalDescription(await self.publishing.createOffer())
            params["offer"] = {"type": "offer", "sdp": self.publishing.localDescription.sdp}
        joined: dict[str, Any] = await self.call("join", **params)
        if "offer" in params:
            answer = RTCSessionDescription(joined["sdp"], "answer")
            await self.publishing.setRemoteDescription(answer)
            await connected(self.publishing)
        return joined

    async def track(self, uid: str, kind: str) -> MediaStreamTrack:
        """Wait for the track of another participant."""
        return await asyncio.wait_for(asyncio.shield(self._tracks[uid, kind]), ANSWER_S)

    async def notification(self, method: str, **params: object) -> dict[str, Any]:
        """Wait for a notification with these parameters, also an earlier one."""

        def matching() -> dict[str, Any] | None:
            return next(
                (
                    received
                    for name, received in self.notifications
                    if name == method and params.items() <= received.items()
                ),
                None,
            )

        async with asyncio.timeout(ANSWER_S), self._changed:
            while (found := matching()) is None:
                await self._changed.wait()
            return found

    async def call(self, method: str, **params: object) -> Any:
        """Call a method; raise `RpcError` if the server refuses it."""
        number = next(self._numbers)
        response = self._calls[number] = asyncio.get_running_loop().create_future()
        request = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        await self._socket.send(json.dumps(request))
        # Python 3.11's wait_for loses a cancellation that meets the response
        async with asyncio.timeout(ANSWER_S):
            return await response

    async def _listen(self) -> None:
        async for text in self._socket:
            message = json.loads(text)
            for part in message if isinstance(message, list) else [message]:
                await self._receive(part)

    async def _receive(self, message: dict[str, Any]) -> None:
        if "method" not in message:
            response = self._calls.pop(message["id"])
            if "error" in message:
                response.set_exception(RpcError(message["error"]))
            else:
                response.set_result(message["result"])
            return
        if message["method"] == "offer":
            self._offers.put_nowait(message["params"])
        async with self._changed:
            self.notifications.append((message["method"], message.get("params", {})))
            self._changed.notify_all()

    async def _answer(self) -> None:
        """Answer the offers of the subscribe connection, one after the other."""
        while True:
            offer = await self._offers.get()
            connection = self.subscribing
            offered = await self._path.remote(offer["sdp"]) if self._path else offer["sdp"]
            await connection.setRemoteDescription(RTCSessionDescription(offered, "offer"))
            if self._passive:
                take_dtls_server_role(connection)
            await connection.setLocalDescription(await connection.createAnswer())
            desc = {"type": "answer", "sdp": connection.localDescription.sdp}
            await self.call("answer", desc=desc, version=offer["version"])
            by_mid = {t.mid: t.receiver.track for t in connection.getTransceivers()}
            for entry in offer["tracks"]:
                track = self._tracks[entry["uid"], entry["kind"]]
                if not track.done():
                    track.set_result(by_mid[entry["mid"]])

    async def close(self) -> None:
        """Close both peer connections; `participant` closes the WebSocket."""
        for task in self._tasks:
            task.cancel()
        results = await asyncio.gather(*self._tasks, return_exceptions=True)
        async with asyncio.timeout(ANSWER_S):
            await self.publishing.close()
            await self.subscribing.close()
        faults = [r for r in results if isinstance(r, Exception)]
        assert not faults, faults


def take_dtls_server_role(connection: RTCPeerConnection) -> None:
    """Answer `a=setup:passive`, as pion does to an ICE-lite server."""
    for transceiver in connection.getTransceivers():
        transceiver.receiver.transport._set_role("server")


@contextlib.asynccontextmanager
async def participant(
    websocket: str, uid: str, *, passive: bool = False, path: Forwarder | None = None
) -> AsyncIterator[Participant]:
    """Connect to a server as `uid`, without joining; its subscriptions pass `path`."""
    async with connect(websocket, subprotocols=["sfukit.jsonrpc"], proxy=None) as socket:  # type: ignore[list-item]
        client = Participant(socket, uid, passive=passive, path=path)
        try:
            yield client
        finally:
            await client.close()
