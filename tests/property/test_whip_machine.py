"""WHIP sessions and a WebSocket under any order of requests: a model says what comes back."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import msgspec
from aiohttp import ClientSession
from aiohttp.test_utils import TestServer
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, rule
from multidict import CIMultiDictProxy

from sfukit.server.app import build_app
from sfukit.server.mock_engine import MockEngine
from sfukit.server.server_context import ServerContext
from sfukit.server.settings import Limits, Rate, Settings
from tests.unit.server.stage import Member, RpcError, offer_text

SDP = {"Content-Type": "application/sdp"}
FRAGMENT = {"Content-Type": "application/trickle-ice-sdpfrag"}
GENEROUS = Settings(limits=Limits(session=Rate(1e6, 1e6)))
LEGAL = {-32602, -32003, -32004, -32005, -32006, -32009}


class Session(msgspec.Struct):
    """What the client knows of its session."""

    path: str
    etag: str
    alive: bool = True
    restarted_as: int | None = None


class Machine(RuleBasedStateMachine):
    """Everything runs on a loop of the machine's own, over real HTTP."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.run(self._start())

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(work)

    async def _start(self) -> None:
        self.context = ServerContext(GENEROUS, MockEngine())
        self.server = TestServer(build_app(self.context))
        await self.server.start_server()
        self.session = ClientSession()

    async def _stop(self) -> None:
        await self.session.close()
        await self.context.stop("server_stopped")
        await self.server.close()

    def teardown(self) -> None:
        self.run(self._stop())
        self.runner.close()

    async def request(
        self, method: str, path: str, body: str = "", headers: dict[str, str] | None = None
    ) -> tuple[int, CIMultiDictProxy[str], str]:
        url = self.server.make_url(path)
        async with self.session.request(method, url, data=body, headers=headers) as response:
            return response.status, response.headers, await response.text()


class WhipMachine(Machine):
    """Sessions are created, restarted, deleted in any order."""

    sessions = Bundle("sessions")

    @rule(target=sessions)
    def post(self) -> Session:
        status, headers, _ = self.run(self.request("POST", "/whip/demo", offer_text(), SDP))
        assert status == 201
        return Session(headers["Location"], headers["ETag"])

    @rule(session=sessions, tag=st.sampled_from(["right", "wrong", "none"]))
    def trickle(self, session: Session, tag: str) -> None:
        headers = FRAGMENT | {
            "right": {"If-Match": session.etag},
            "wrong": {"If-Match": '"x"'},
        }.get(tag, {})
        body = "a=end-of-candidates\r\n"
        status, answered, text = self.run(self.request("PATCH", session.path, body, headers))
        expected = {"right": 204, "wrong": 412, "none": 428}[tag] if session.alive else 404
        assert (status, "ETag" in answered) == (expected, False)
        assert status != 204 or not text

    @rule(session=sessions, star=st.sampled_from(["*", '"*"']), number=st.integers(0, 999))
    def restart(self, session: Session, star: str, number: int) -> None:
        body = f"a=ice-ufrag:frag{number}\r\na=ice-pwd:{'p' * 24}\r\n"
        headers = FRAGMENT | {"If-Match": star}
        status, answered, text = self.run(self.request("PATCH", session.path, body, headers))
        repeated = session.restarted_as == number  # no new credentials: candidates alone
        assert status == ((204 if repeated else 200) if session.alive else 404)
        if session.alive and not repeated:
            session.restarted_as = number
            assert answered["ETag"] != session.etag
            assert "a=ice-ufrag:" in text
            session.etag = answered["ETag"]

    @rule(session=sessions)
    def delete(self, session: Session) -> None:
        status, _, _ = self.run(self.request("DELETE", session.path))
        assert status == 200
        session.alive = False
        assert len(self.context.sessions) == self.context.rooms.population

    @rule(session=consumes(sessions))
    def forget(self, session: Session) -> None:
        self.delete(session)


METHODS = ["join", "offer", "answer", "trickle", "subscribe", "layers", "mute", "message", "leave"]
PARAMS: dict[str, list[dict[str, Any]]] = {
    "join": [
        {"sid": "demo", "uid": "ann"},
        {"sid": "demo", "uid": "ann", "offer": {"type": "offer", "sdp": offer_text()}},
        {"sid": "other", "uid": "ann"},
        {"sid": "a b"},
    ],
    "offer": [
        {"desc": {"type": "offer", "sdp": offer_text()}},
        {"desc": {"type": "offer", "sdp": "v=0"}},
        {"desc": {"type": "offer", "sdp": offer_text()}, "version": 1},
    ],
    "answer": [{"desc": {"type": "answer", "sdp": offer_text()}}, {}],
    "trickle": [{"target": 0, "candidate": {"candidate": "x"}}, {"target": 1}],
    "subscribe": [{"publications": [1]}, {"publications": [9_999]}, {"publications": []}],
    "layers": [{"publication": 1, "layer": "q"}, {"publication": 1, "layer": 99}],
    "mute": [{"publication": 1, "muted": True}, {"publication": 77, "muted": True}],
    "message": [{"data": 1}, {"data": 1, "to": "nobody"}, {}],
    "leave": [{}],
}


class RoomMachine(Machine):
    """One WebSocket calls anything at any time: each call has a result or an error of the table."""

    @initialize()
    def connect(self) -> None:
        self.member = self.run(self._connect())
        self.inside = False

    async def _connect(self) -> Member:
        return Member(await self.session.ws_connect(self.server.make_url("/ws")))

    @rule(method=st.sampled_from(METHODS), data=st.data())
    def call(self, method: str, data: st.DataObject) -> None:
        params = data.draw(st.sampled_from(PARAMS[method]))
        try:
            self.run(self.member.call(method, **params))
        except RpcError as error:
            assert error.code in LEGAL
            assert method != "leave"
            assert self.inside or method == "join" or error.code in (-32003, -32602, -32006)
        else:
            self.inside = method == "join" or (self.inside and method != "leave")
            assert self.inside or method == "leave"
        assert self.context.rooms.population == int(self.inside)


TestWhip = WhipMachine.TestCase
TestWhip.settings = settings(max_examples=15, stateful_step_count=25, deadline=None)
TestRoom = RoomMachine.TestCase
TestRoom.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
