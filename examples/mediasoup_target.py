"""A target plug-in: the protocol of mediasoup's demo server, version 3 (protoo over WebSocket).

    sfukit loadtest wss://HOST:4443/ --target-plugin ./examples/mediasoup_target.py:MediasoupTarget

mediasoup has no SDP: ``sfukit.signaling.ortc`` takes the parameters of a track from the offer of a
bot, and writes an offer of the tracks that the server sends.
"""

import json
from collections import deque
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from sfukit.loadgen.scenario import Size, rank
from sfukit.loadgen.targets import websocket
from sfukit.loadgen.targets.base import (
    JoinRefusedError,
    Participant,
    ReceiveConnection,
    TargetOptions,
)
from sfukit.signaling import ortc, sdp
from sfukit.targets import access

Json = dict[str, Any]

_CODECS = ("audio/opus", "video/VP8", "video/H264", "video/rtx")
_MOST_WAITING = 1_000


class MediasoupTarget:
    """A server of mediasoup's demo."""

    def __init__(self, options: TargetOptions) -> None:
        self.options = options
        self.socket = websocket.Options.of(
            options.access, options.url, options.join_timeout_s, subprotocol="protoo"
        )

    def session(self, participant: Participant) -> "MediasoupSession":
        """Return the signaling of one participant."""
        return MediasoupSession(self, participant)


class MediasoupSession:
    """The WebSocket of one participant: a transport to publish, a transport to receive."""

    def __init__(self, target: MediasoupTarget, participant: Participant) -> None:
        self._target = target
        self._participant = participant
        self._connection: ClientConnection | None = None
        self._requests = 0
        self._waiting: deque[Json] = deque(maxlen=_MOST_WAITING)
        self._receives: Json = {}
        self._receiver: ReceiveConnection | None = None
        self._consumers: dict[str, Json] = {}

    async def join(self) -> None:
        """Connect, join the room, publish; raises ``JoinRefusedError``."""
        me, options = self._participant, self._target.options
        url = f"{options.url}?{urlencode({'roomId': me.room, 'peerId': me.name})}"
        headers = access.headers(options.access, me.room, me.name, me.run_s)
        self._connection = await websocket.connect(
            self._target.socket, me, url, headers, websocket.refused
        )
        try:
            capabilities = await self._request("getRouterRtpCapabilities")
            capabilities["codecs"] = [
                one for one in capabilities["codecs"] if one["mimeType"] in _CODECS
            ]
            sends = await self._transport(producing=True) if me.audio or me.video else None
            self._receives = await self._transport(producing=False)
            device = {"flag": "sfukit", "name": "sfukit", "version": "0"}
            await self._request(
                "join", displayName=me.name, device=device, rtpCapabilities=capabilities
            )
            me.accepted()
            if sends is not None:
                await self._publish(sends)
        except ConnectionClosed as closed:
            raise JoinRefusedError("connection_closed", websocket.close_reason(closed)) from closed

    async def run(self) -> str:
        """Receive the tracks that the server sends, until it ends the session."""
        try:
            while True:
                await self._handle(self._waiting.popleft() if self._waiting else await self._next())
        except ConnectionClosed as closed:
            return websocket.close_reason(closed)

    async def rearrange(self, sizes: Mapping[str, Size]) -> None:
        """Receive the video of each participant in another size."""
        for consumer in self._consumers.values():
            if consumer["kind"] == "video" and consumer["peerId"] in sizes:
                await self._prefer(consumer, sizes[consumer["peerId"]])

    async def leave(self) -> None:
        """End the session."""
        if self._connection is not None:
            await self._connection.close()

    async def _publish(self, transport: Json) -> None:
        connection = self._participant.publisher()
        offer = await connection.offer()
        sections = sdp.parse(offer).media
        await self._connect(transport, sections[0])
        for section in sections:
            await self._request(
                "produce",
                transportId=transport["id"],
                kind=section.kind,
                rtpParameters=ortc.rtp_parameters(section, self._participant.name),
                appData={},
            )
        await connection.answered(ortc.answer(offer, transport))

    async def _handle(self, message: Json) -> None:
        """Process a request or a notification of the server."""
        data = message.get("data", {})
        if message.get("method") == "newConsumer":
            wanted = data["peerId"] in self._participant.subscriptions
            if wanted:
                self._consumers[data["id"]] = data
                await self._receive()
            outcome = {"ok": True, "data": {}} if wanted else {"ok": False, "errorCode": 403}
            await self._send({"response": True, "id": message["id"], **outcome})
            if wanted and data["kind"] == "video":
                await self._prefer(data, self._participant.subscriptions[data["peerId"]])
        elif message.get("request"):
            await self._send({"response": True, "id": message["id"], "ok": True, "data": {}})
        elif message.get("method") == "consumerClosed" and data["consumerId"] in self._consumers:
            self._consumers[data["consumerId"]]["closed"] = True
            await self._receive()

    async def _receive(self) -> None:
        """Offer the tracks of all consumers to the bot."""
        consumers = self._consumers.values()
        names = {one["rtpParameters"]["mid"]: one["peerId"] for one in consumers}
        tracks = [
            ortc.SentTrack(one["kind"], one["rtpParameters"], ended="closed" in one)
            for one in consumers
        ]
        is_first = self._receiver is None
        self._receiver = self._receiver or self._participant.subscriber()
        answered = await self._receiver.answer(ortc.offer(tracks, self._receives), names)
        if is_first:
            await self._connect(self._receives, sdp.parse(answered).media[0])

    async def _prefer(self, consumer: Json, size: Size) -> None:
        layer = rank(size, len(self._participant.encodings))
        await self._ask("setConsumerPreferredLayers", consumerId=consumer["id"], spatialLayer=layer)

    async def _transport(self, *, producing: bool) -> Json:
        return await self._request(
            "createWebRtcTransport", forceTcp=False, producing=producing, consuming=not producing
        )

    async def _connect(self, transport: Json, section: sdp.Section) -> None:
        parameters = ortc.dtls_parameters(section)
        await self._request(
            "connectWebRtcTransport", transportId=transport["id"], dtlsParameters=parameters
        )

    async def _request(self, method: str, **data: Any) -> Json:
        """Send a request and return its response; other messages wait for ``run``."""
        number = await self._ask(method, **data)
        while True:
            message = await self._next()
            if not message.get("response"):
                self._waiting.append(message)
            elif message["id"] == number and not message.get("ok"):
                raise JoinRefusedError(method, str(message.get("errorReason"))[:200])
            elif message["id"] == number:
                return dict(message.get("data") or {})

    async def _ask(self, method: str, **data: Any) -> int:
        self._requests += 1
        await self._send({"request": True, "id": self._requests, "method": method, "data": data})
        return self._requests

    async def _send(self, message: Json) -> None:
        assert self._connection is not None
        await self._connection.send(json.dumps(message))

    async def _next(self) -> Json:
        assert self._connection is not None
        return dict(json.loads(await self._connection.recv()))
