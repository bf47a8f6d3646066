"""A member of a room: aiortc behind JSON-RPC over WebSocket, written by docs/protocol.md alone."""

import asyncio
import contextlib
import itertools
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from typing import Any

from aiortc import MediaStreamTrack, RTCPeerConnection, RTCSessionDescription
from websockets.asyncio.client import ClientConnection, connect

from tests.interop.peers import connected

ANSWER_S = 20.0


class RpcError(AssertionError):
    """The server answered a call with an error."""


class Member:
    """One participant with its two peer connections."""

    def __init__(self, socket: ClientConnection, uid: str, *, passive: bool) -> None:
        self.uid = uid
        self._passive = passive
        self.publishing = RTCPeerConnection()
        self.subscribing = RTCPeerConnection()
        self.notices: list[tuple[str, dict[str, Any]]] = []
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
        """Join, with an offer where there is something to publish."""
        params: dict[str, Any] = {"sid": room, "uid": self.uid}
        for track in tracks:
            self.publishing.addTransceiver(track, direction="sendonly")
        if tracks:
            await self.publishing.setLocalDescription(await self.publishing.createOffer())
            params["offer"] = {"type": "offer", "sdp": self.publishing.localDescription.sdp}
        joined: dict[str, Any] = await self.call("join", **params)
        if tracks:
            answer = RTCSessionDescription(joined["sdp"], "answer")
            await self.publishing.setRemoteDescription(answer)
            await connected(self.publishing)
        return joined

    async def track(self, uid: str, kind: str) -> MediaStreamTrack:
        """Wait for what another member publishes."""
        return await asyncio.wait_for(asyncio.shield(self._tracks[uid, kind]), ANSWER_S)

    async def noticed(self, method: str, **params: object) -> dict[str, Any]:
        """Wait for a notification with these parameters (past ones count)."""

        def matching() -> dict[str, Any] | None:
            return next(
                (
                    given
                    for name, given in self.notices
                    if name == method and params.items() <= given.items()
                ),
                None,
            )

        async with asyncio.timeout(ANSWER_S), self._changed:
            while (found := matching()) is None:
                await self._changed.wait()
            return found

    async def call(self, method: str, **params: object) -> Any:
        """Call a method; raise `RpcError` where the server refuses."""
        number = next(self._numbers)
        answer = self._calls[number] = asyncio.get_running_loop().create_future()
        request = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        await self._socket.send(json.dumps(request))
        # Python 3.11's wait_for loses a cancellation that meets the answer
        async with asyncio.timeout(ANSWER_S):
            return await answer

    async def _listen(self) -> None:
        async for text in self._socket:
            message = json.loads(text)
            for part in message if isinstance(message, list) else [message]:
                await self._take(part)

    async def _take(self, message: dict[str, Any]) -> None:
        if "method" not in message:
            answer = self._calls.pop(message["id"])
            if "error" in message:
                answer.set_exception(RpcError(message["error"]))
            else:
                answer.set_result(message["result"])
            return
        if message["method"] == "offer":
            self._offers.put_nowait(message["params"])
        async with self._changed:
            self.notices.append((message["method"], message.get("params", {})))
            self._changed.notify_all()

    async def _answer(self) -> None:
        """Answer the offers of the subscribe connection, one after the other."""
        while True:
            offer = await self._offers.get()
            connection = self.subscribing
            await connection.setRemoteDescription(RTCSessionDescription(offer["sdp"], "offer"))
            if self._passive:
                be_dtls_server(connection)
            await connection.setLocalDescription(await connection.createAnswer())
            desc = {"type": "answer", "sdp": connection.localDescription.sdp}
            await self.call("answer", desc=desc, version=offer["version"])
            by_mid = {t.mid: t.receiver.track for t in connection.getTransceivers()}
            for told in offer["tracks"]:
                waiting = self._tracks[told["uid"], told["kind"]]
                if not waiting.done():
                    waiting.set_result(by_mid[told["mid"]])

    async def close(self) -> None:
        """Close both connections; the WebSocket belongs to `member`."""
        for task in self._tasks:
            task.cancel()
        results = await asyncio.gather(*self._tasks, return_exceptions=True)
        async with asyncio.timeout(ANSWER_S):
            await self.publishing.close()
            await self.subscribing.close()
        faults = [r for r in results if isinstance(r, Exception)]
        assert not faults, faults


def be_dtls_server(connection: RTCPeerConnection) -> None:
    """Answer `a=setup:passive` from now on, as clients built on pion do to an ICE-lite server."""
    for transceiver in connection.getTransceivers():
        transceiver.receiver.transport._set_role("server")


@contextlib.asynccontextmanager
async def member(websocket: str, uid: str, *, passive: bool = False) -> AsyncIterator[Member]:
    """Connect to a server as `uid`; joining is up to the caller."""
    async with connect(websocket, subprotocols=["sfukit.jsonrpc"], proxy=None) as socket:  # type: ignore[list-item]
        one = Member(socket, uid, passive=passive)
        try:
            yield one
        finally:
            await one.close()
