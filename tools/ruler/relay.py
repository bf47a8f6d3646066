"""``python -m tools.ruler.relay URL``: a WHIP and WHEP relay that impairs and records datagrams.

Clients get its ports as the candidates of the server, so that all datagrams pass it. It is a
process of its own, so that the measuring one does not delay it, and prints its URL as one line.
"""

import asyncio
import sys
import time
from collections.abc import Callable, Mapping

import httpx
import msgspec
from aiohttp import web

from sfukit.loadgen.latency.independent.forwarder import Forwarder
from sfukit.loadgen.latency.independent.impaired_path import ImpairedPath
from sfukit.loadgen.latency.independent.in_flight import InFlight
from sfukit.swarm.impairment import Impairment, parse
from tools.ruler.recording import Datagram, Role, Session

_MAX_DATAGRAMS = 1_000_000
_HEADER = 12
_REPORTS = (200, 201)  # SR, RR
_HOP_BY_HOP = {"host", "connection", "content-length", "transfer-encoding", "content-encoding"}
_ROLES: Mapping[str, Role] = {"whip": "publisher", "whep": "subscriber"}


class Network(msgspec.Struct, frozen=True):
    """The impairment of each role and direction, as ``--net-down`` takes it."""

    publisher_up: str = ""
    publisher_down: str = ""
    subscriber_up: str = ""
    subscriber_down: str = ""
    seed: int = 1


class _Line:
    """One direction of a session."""

    def __init__(self, path: ImpairedPath, records: list[Datagram]) -> None:
        self._path = path
        self._records = records
        self._in_flight = InFlight()

    def push(self, data: bytes, send: Callable[[bytes], None]) -> None:
        """Take a datagram."""
        now_s, place = time.monotonic(), len(self._records)
        if place >= _MAX_DATAGRAMS:
            return
        self._records.append(_datagram(data, now_s))

        def deliver() -> None:
            self._records[place] = msgspec.structs.replace(
                self._records[place], out_s=time.monotonic()
            )
            send(data)

        self._in_flight.push(self._path.arrivals(now_s, len(data)), deliver)


class _Recorder(Forwarder):
    """The forwarded ports of one session, and what passed them."""

    def __init__(self, role: Role, up: ImpairedPath, down: ImpairedPath) -> None:
        super().__init__(up, down, _ignore, _ignore)
        self.session = Session(role, [], [])
        self._to_server = _Line(up, self.session.up)
        self._to_client = _Line(down, self.session.down)

    def up(self, data: bytes, send: Callable[[bytes], None]) -> None:
        """Pass a datagram on to the server."""
        self._to_server.push(data, send)

    def down(self, data: bytes, send: Callable[[bytes], None]) -> None:
        """Pass a datagram on to the client."""
        self._to_client.push(data, send)


class Relay:
    """The HTTP side: passes requests on, and rewrites the candidates of answers."""

    def __init__(self, server: str) -> None:
        self._client = httpx.AsyncClient(base_url=server, trust_env=False)
        self._network = Network()
        self._recorders: list[_Recorder] = []

    def app(self) -> web.Application:
        """Return the routes."""
        app = web.Application(client_max_size=2**20)
        app.router.add_put("/network", self._set_network)
        app.router.add_get("/recording", self._recording)
        app.router.add_route("*", "/{path:.*}", self._forward)
        return app

    async def _set_network(self, request: web.Request) -> web.Response:
        """Impair the sessions from now on, and forget those before."""
        self._network = msgspec.json.decode(await request.read(), type=Network)
        for recorder in self._recorders:
            recorder.close()
        self._recorders.clear()
        return web.Response(status=204)

    async def _recording(self, _request: web.Request) -> web.Response:
        sessions = [recorder.session for recorder in self._recorders]
        return web.Response(body=msgspec.json.encode(sessions), content_type="application/json")

    async def _forward(self, request: web.Request) -> web.Response:
        headers = {k: v for k, v in request.headers.items() if k.lower() not in _HOP_BY_HOP}
        body = await request.read()
        reply = await self._client.request(
            request.method, request.path_qs, headers=headers, content=body
        )
        text = reply.content
        if request.method == "POST" and reply.status_code == httpx.codes.CREATED:
            recorder = self._recorder(_ROLES[request.path.split("/")[1]])
            text = (await recorder.remote(reply.text)).encode()
        answer = {k: v for k, v in reply.headers.items() if k.lower() not in _HOP_BY_HOP}
        return web.Response(status=reply.status_code, headers=answer, body=text)

    def _recorder(self, role: Role) -> _Recorder:
        seed = self._network.seed * 1000 + len(self._recorders) * 2
        up, down = (
            ImpairedPath(self._impairment(f"{role}_{direction}"), seed + place)
            for place, direction in enumerate(("up", "down"))
        )
        recorder = _Recorder(role, up, down)
        self._recorders.append(recorder)
        return recorder

    def _impairment(self, direction: str) -> Impairment | None:
        text = getattr(self._network, direction)
        return parse(text, direction) if text else None


def _datagram(data: bytes, now_s: float) -> Datagram:
    is_rtp = len(data) >= _HEADER and 128 <= data[0] < 192 and not 192 <= data[1] < 224
    if not is_rtp:  # STUN, DTLS or RTCP (RFC 7983, RFC 5761)
        has_report = len(data) > 1 and 128 <= data[0] < 192 and data[1] in _REPORTS
        return Datagram(now_s, None, len(data), has_report=has_report)
    return Datagram(
        now_s,
        None,
        len(data),
        int.from_bytes(data[8:12], "big"),
        int.from_bytes(data[2:4], "big"),
        int.from_bytes(data[4:8], "big"),
    )


def _ignore(_data: bytes, _at_s: float) -> None:
    pass


async def _serve(server: str) -> None:
    runner = web.AppRunner(Relay(server).app(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
    await asyncio.to_thread(sys.stdin.read)  # ends with the process that started this one
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1]))
