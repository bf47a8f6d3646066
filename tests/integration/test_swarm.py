"""The native swarm on real sockets against the native server, without the Python server."""

import itertools
import json
import secrets
import select
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from sfukit import _native
from sfukit.errors import MachineError
from sfukit.loadgen.metrics.figures import Figures
from sfukit.media import catalog
from sfukit.swarm import native as native_swarm
from sfukit.swarm.messages import Done, Event, Snapshot, SwarmConfig

pytestmark = pytest.mark.realtime

MID = "urn:ietf:params:rtp-hdrext:sdes:mid"
TRANSPORT_WIDE = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
EXTENSIONS = {MID: 1, TRANSPORT_WIDE: 3}
FEEDBACK = ["nack", "nack pli", "transport-cc", "rrtr"]
PATIENCE_S = 20.0


class Side:
    """The server or the swarm: commands in, completions and events out."""

    def __init__(self, native: _native.Server | _native.Swarm) -> None:
        self.native = native
        self.events: list[dict[str, Any]] = []
        self._done: dict[int, dict[str, Any]] = {}
        self._ids = itertools.count(1)

    def request(self, request: str, /, **fields: object) -> dict[str, Any]:
        """Send a command and return its ``done`` event."""
        number = next(self._ids)
        command = json.dumps([{"type": request, "id": number, **fields}]).encode()
        assert self.native.submit(0, command)
        while number not in self._done:
            self.read()
        return self._done.pop(number)

    def do(self, request: str, /, **fields: object) -> Any:
        done = self.request(request, **fields)
        assert done["error"] is None, done
        return done.get("result")

    def wait_for(self, kind: str, count: int) -> None:
        while sum(event["type"] == kind for event in self.events) < count:
            self.read()

    def read(self) -> None:
        ready, _, _ = select.select([self.native.event_fd()], [], [], PATIENCE_S)
        assert ready, f"nothing more came after {self.events}"
        for event in json.loads(self.native.events()):
            if event["type"] == "done":
                self._done[event["id"]] = event
            else:
                self.events.append(event)


class Call:
    """One publisher and some subscribers in a room."""

    def __init__(self, **config: Any) -> None:
        self.server = Side(_native.Server(b'{"udp_port": 0, "bind": ["127.0.0.1"]}'))
        self.swarm = Side(_native.Swarm(msgspec.json.encode(SwarmConfig(**config))))
        self.server_info = json.loads(self.server.native.info())
        self.swarm_info = json.loads(self.swarm.native.info())
        self.server.do("open_room", room=1)

    def close(self) -> None:
        self.swarm.native.close()
        self.server.native.close()

    def join(self, name: int) -> None:
        ours, theirs = [
            {"ufrag": secrets.token_hex(8), "pwd": secrets.token_hex(16)} for _ in range(2)
        ]
        remote = {**ours, "fingerprints": [self.swarm_info["fingerprint"]]}
        self.server.do("open_transport", room=1, transport=name, local=theirs, remote=remote)
        self.swarm.do("add_bot", bot=name, name=f"bot {name}", scheduled_ns=0)
        done = self.open(name, ours, theirs)
        assert done["error"] is None, done

    def open(
        self, name: int, ours: object, theirs: dict[str, str], bind_ip: str | None = None
    ) -> dict[str, Any]:
        candidate = {"ip": "127.0.0.1", "port": self.server_info["udp_ports"][0]}
        remote = {
            **theirs,
            "fingerprints": [self.server_info["fingerprint"]],
            "candidates": [candidate],
        }
        return self.swarm.request(
            "open_transport",
            bot=name,
            transport=name,
            cname="cname",
            local=ours,
            remote=remote,
            dtls_role="client",
            bind_ip=bind_ip,
        )

    def publish(self, name: int, clip: str, **more: object) -> None:
        numbers = {"payload_type": 96, "rtx_payload_type": 97}
        shared = {"transport": name, "mid": "0", "extensions": EXTENSIONS, **numbers}
        self.server.do(
            "publish",
            publication=1,
            kind="video",
            codec="VP8",
            clock_rate=90_000,
            encodings=[{"rid": None, "ssrc": 11, "rtx_ssrc": 12}],
            feedback=FEEDBACK,
            **shared,
        )
        self.swarm.do("load_clip", clip=1, path=clip)
        self.swarm.do(
            "publish",
            stream=1,
            encodings=[{"ssrc": 11, "rtx_ssrc": 12, "clip": 1}],
            source_id=1,
            start_ns=self.swarm.native.now_ns(),  # type: ignore[union-attr]
            **shared,
            **more,
        )

    def subscribe(self, name: int) -> None:
        numbers = {"payload_type": 96, "rtx_payload_type": 97, "ssrc": 21, "rtx_ssrc": 22}
        shared = {"transport": name, "mid": "0", "extensions": EXTENSIONS}
        self.swarm.do("receive", stream=name, codec="VP8", feedback=FEEDBACK, **shared, **numbers)
        self.server.do(
            "subscribe", subscription=name, publication=1, cname="sfu", **shared, **numbers
        )

    def figures_when(self, holds: Callable[[Figures], bool]) -> Figures:
        until = time.monotonic() + PATIENCE_S
        while not holds(figures := self.figures()):
            assert time.monotonic() < until, figures
        return figures

    def figures(self) -> Figures:
        return msgspec.convert(self.swarm.do("snapshot", bots=True), Figures)


@pytest.fixture
def call() -> Iterator[Call]:
    call = Call(seed=1)
    yield call
    call.close()


def clip() -> str:
    return str(catalog.video_clip("vp8", catalog.HIGH))


def test_bots_receive_each_other_through_the_server_and_measure(call: Call) -> None:
    for name in (1, 2, 3, 4):
        call.join(name)
    call.swarm.wait_for("transport_state", 4)
    assert all(event["state"] == "connected" for event in call.swarm.events)
    call.publish(1, clip())
    for name in (2, 3, 4):
        call.subscribe(name)
    call.swarm.wait_for("first_frame", 3)
    figures = call.figures()
    assert len(figures.streams) == 3
    assert all(stream.packets_lost_after_rtx == 0 for stream in figures.streams)
    assert figures.histograms.e2e_frame.count >= 3
    assert figures.generator is not None and figures.generator.socket_drops == 0
    typed = msgspec.json.decode(msgspec.json.encode(call.swarm.events), type=list[Event | Done])
    assert len(typed) == len(call.swarm.events)


def test_drops_at_a_full_socket_are_counted_there() -> None:
    call = Call(seed=1, recv_buffer_bytes=4096, gro=False)
    try:
        call.join(1)
        call.join(2)
        call.swarm.wait_for("transport_state", 2)
        call.publish(1, clip(), paced="whole")
        call.subscribe(2)
        figures = call.figures_when(lambda it: it.streams[0].packets_lost_raw > 0)
        assert figures.generator is not None
        assert (figures.generator.socket_drops or 0) > 0
    finally:
        call.close()


def test_a_foreign_bind_address_is_refused_with_a_reason(call: Call) -> None:
    call.swarm.do("add_bot", bot=9, name="lost", scheduled_ns=0)
    parameters = {"ufrag": "u" * 8, "pwd": "p" * 24}
    done = call.open(9, parameters, parameters, bind_ip="192.0.2.1")
    assert done["error"]["code"] == "system"
    assert "192.0.2.1" in done["error"]["message"]


def test_malformed_commands_and_settings_raise_a_native_error(call: Call) -> None:
    with pytest.raises(_native.NativeError):
        call.swarm.native.submit(0, b"[{]")
    with pytest.raises(_native.NativeError, match="no worker 1"):
        call.swarm.native.submit(1, b"[]")
    with pytest.raises(_native.NativeError, match="workers"):
        _native.Swarm(b'{"workers": 0}')


def test_a_closed_swarm_has_no_connected_transports(call: Call) -> None:
    call.swarm.native.close()
    counters = json.loads(call.swarm.native.counters())
    assert counters["transports_connected"] == 0


async def test_a_request_that_times_out_is_a_machine_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(native_swarm, "_REQUEST_TIMEOUT_S", 0)
    late = native_swarm.NativeSwarm(SwarmConfig())
    try:
        with pytest.raises(MachineError, match="did not carry out Snapshot within 0 s"):
            await late.request(Snapshot(), Figures)
    finally:
        late.close()
