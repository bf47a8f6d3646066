"""A stand-in for mediasoup's demo server: protoo over WebSocket, ICE lite, DTLS and SRTP by aiortc.

Each consumer has SSRCs of its own; payloads, payload types and extensions are forwarded as sent.
"""

import asyncio
import contextlib
import json
import secrets
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

from aioice import stun
from aiortc import RTCCertificate, RTCDtlsFingerprint, RTCDtlsParameters, RTCDtlsTransport
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

Json = dict[str, Any]

_MID = "urn:ietf:params:rtp-hdrext:sdes:mid"
_CODECS = [
    ("audio/opus", 100, 48_000, 2),
    ("video/VP8", 101, 90_000, 1),
    ("video/rtx", 102, 90_000, 1),
    ("video/x-unknown", 103, 90_000, 1),
]
_MANY = 1_000_000


class LiteTransport(asyncio.DatagramProtocol):
    """An ICE-lite agent, as the transport below DTLS: connectivity checks are answered."""

    role = "controlled"
    state = "completed"

    def __init__(self) -> None:
        self.id = secrets.token_hex(8)
        self.ufrag, self.pwd = secrets.token_hex(4), secrets.token_hex(12)
        self.dtls = RTCDtlsTransport(self, [RTCCertificate.generateCertificate()])  # type: ignore[arg-type]
        self.dtls._set_role("server")
        self._received: asyncio.Queue[bytes] = asyncio.Queue()
        self._socket: asyncio.DatagramTransport | None = None
        self._peer: tuple[str, int] | None = None
        self.handshake: asyncio.Task[None] | None = None

    async def open(self) -> Json:
        """Bind; return the parameters for the client."""
        self._socket, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: self, ("127.0.0.1", 0)
        )
        port = self._socket.get_extra_info("sockname")[1]
        prints = self.dtls.getLocalParameters().fingerprints
        candidate = {"foundation": "udp", "priority": 1, "protocol": "udp", "type": "host"}
        return {
            "id": self.id,
            "iceParameters": {"usernameFragment": self.ufrag, "password": self.pwd},
            "iceCandidates": [candidate | {"ip": "127.0.0.1", "port": port}],
            "dtlsParameters": {
                "role": "auto",
                "fingerprints": [{"algorithm": p.algorithm, "value": p.value} for p in prints],
            },
        }

    def connect(self, parameters: Json) -> None:
        """Start the handshake."""
        assert parameters["role"] == "client"
        prints = [RTCDtlsFingerprint(**one) for one in parameters["fingerprints"]]
        self.handshake = asyncio.create_task(self.dtls.start(RTCDtlsParameters(prints)))

    async def close(self) -> None:
        if self.handshake is not None:
            self.handshake.cancel()
        await self.dtls.stop()
        if self._socket is not None:
            self._socket.close()

    def datagram_received(self, data: bytes, address: Any) -> None:
        if data[0] >= 20:
            self._received.put_nowait(data)
            return
        request = stun.parse_message(data)
        assert request.check_message_integrity(self.pwd.encode())
        response = stun.Message(
            message_method=stun.Method.BINDING,
            message_class=stun.Class.RESPONSE,
            transaction_id=request.transaction_id,
        )
        response.attributes["XOR-MAPPED-ADDRESS"] = address
        response.add_message_integrity(self.pwd.encode())
        self._peer = address
        assert self._socket is not None
        self._socket.sendto(bytes(response), address)

    async def _recv(self) -> bytes:
        return await self._received.get()

    async def _send(self, data: bytes) -> None:
        if self._socket is not None and self._peer is not None:
            self._socket.sendto(data, self._peer)


class Consumer:
    """One track that is sent to a peer."""

    def __init__(self, peer: "Peer", producer: Json, owner: str) -> None:
        self.id = secrets.token_hex(8)
        self.ssrc = secrets.randbelow(_MANY) + 1
        self.rtx_ssrc = self.ssrc + _MANY
        self.transport = peer.transports["consuming"]
        self.mid = str(len(peer.consumers))
        self.kind = producer["kind"]
        given = producer["rtpParameters"]
        encoding = {"ssrc": self.ssrc} | (
            {"rtx": {"ssrc": self.rtx_ssrc}} if self.kind == "video" else {}
        )
        self.request = {
            "peerId": owner,
            "producerId": producer["id"],
            "id": self.id,
            "kind": self.kind,
            "rtpParameters": {
                "mid": self.mid,
                "codecs": given["codecs"],
                # a MID of the publisher would be forwarded as it is
                "headerExtensions": [e for e in given["headerExtensions"] if e["uri"] != _MID],
                "encodings": [encoding],
                "rtcp": {"cname": given["rtcp"]["cname"]},
            },
        }

    async def forward(self, packet: bytes) -> None:
        if self.transport.dtls.state == "connected":
            await self.transport.dtls._send_rtp(
                packet[:8] + self.ssrc.to_bytes(4, "big") + packet[12:]
            )


class Peer:
    """One participant."""

    def __init__(self, room: "Room", name: str, connection: ServerConnection) -> None:
        self.room, self.name, self.connection = room, name, connection
        self.transports: dict[str, LiteTransport] = {}
        self.producers: dict[int, Json] = {}
        self.consumers: dict[str, Consumer] = {}
        self.preferred: dict[str, int] = {}

    async def on_request(self, method: str, data: Json) -> Json:
        match method:
            case "getRouterRtpCapabilities":
                codecs = [
                    {"mimeType": m, "preferredPayloadType": n, "clockRate": r, "channels": c}
                    for m, n, r, c in _CODECS
                ]
                return {"codecs": codecs, "headerExtensions": []}
            case "createWebRtcTransport":
                transport = LiteTransport()
                self.transports["producing" if data["producing"] else "consuming"] = transport
                return await transport.open()
            case "connectWebRtcTransport":
                [transport] = [t for t in self.transports.values() if t.id == data["transportId"]]
                transport.connect(data["dtlsParameters"])
            case "produce":
                return await self.produce(data)
            case "join":
                mimes = {codec["mimeType"] for codec in data["rtpCapabilities"]["codecs"]}
                assert "video/x-unknown" not in mimes
                await self.room.joined(self)
            case "setConsumerPreferredLayers":
                self.preferred[data["consumerId"]] = data["spatialLayer"]
            case _:
                raise AssertionError(method)
        return {}

    async def produce(self, data: Json) -> Json:
        producer = {"id": secrets.token_hex(8), **data}
        [encoding] = data["rtpParameters"]["encodings"]
        self.producers[encoding["ssrc"]] = producer
        transport = self.transports["producing"]

        async def forward(packet: bytes, arrival_time_ms: int) -> None:
            sent = self.producers.get(int.from_bytes(packet[8:12], "big"))
            if sent is not None:
                await self.room.forward(sent["id"], packet)

        transport.dtls._handle_rtp_data = forward  # type: ignore[method-assign]
        for other in self.room.others(self):
            await other.consume(producer, self.name)
        return {"id": producer["id"]}

    async def consume(self, producer: Json, owner: str) -> None:
        consumer = Consumer(self, producer, owner)
        self.consumers[consumer.id] = consumer
        message = {"request": True, "id": 1, "method": "newConsumer", "data": consumer.request}
        with contextlib.suppress(ConnectionClosed):
            await self.connection.send(json.dumps(message))


class Room:
    """The peers that joined."""

    def __init__(self) -> None:
        self.peers: list[Peer] = []

    def others(self, peer: Peer) -> list[Peer]:
        return [one for one in self.peers if one is not peer]

    async def joined(self, peer: Peer) -> None:
        self.peers.append(peer)
        for other in self.others(peer):
            for producer in other.producers.values():
                await peer.consume(producer, other.name)

    async def forward(self, producer: str, packet: bytes) -> None:
        for peer in self.peers:
            for consumer in peer.consumers.values():
                if consumer.request["producerId"] == producer:
                    await consumer.forward(packet)


class ProtooServer:
    """The rooms of the server, and the layers that its peers asked for."""

    def __init__(self) -> None:
        self.url = ""
        self.rooms: dict[str, Room] = {}
        self.preferred: list[int] = []

    async def handle(self, connection: ServerConnection) -> None:
        assert connection.subprotocol == "protoo"
        assert connection.request is not None
        query = parse_qs(urlsplit(connection.request.path).query)
        room = self.rooms.setdefault(query["roomId"][0], Room())
        peer = Peer(room, query["peerId"][0], connection)
        try:
            async for text in connection:
                message = json.loads(text)
                if not message.get("request"):
                    continue
                data = await peer.on_request(message["method"], message["data"])
                response = {"response": True, "id": message["id"], "ok": True, "data": data}
                await connection.send(json.dumps(response))
        except ConnectionClosed:
            pass
        finally:
            self.preferred += peer.preferred.values()
            room.peers = room.others(peer)
            for transport in peer.transports.values():
                await transport.close()


@contextlib.asynccontextmanager
async def protoo_server() -> AsyncIterator[ProtooServer]:
    """Run the server until the block ends."""
    stand_in = ProtooServer()
    async with serve(
        stand_in.handle, "127.0.0.1", 0, subprotocols=[Subprotocol("protoo")]
    ) as listening:
        [listener] = listening.sockets
        stand_in.url = f"ws://127.0.0.1:{listener.getsockname()[1]}/"
        yield stand_in
