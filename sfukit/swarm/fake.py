"""A fake swarm for tests and profiles of the control plane: it records commands, emits events.

It has no media.
"""

import asyncio
from collections.abc import Sequence
from typing import TypeVar

import msgspec

from sfukit.swarm.messages import (
    Command,
    CommandError,
    FirstFrame,
    OpenTransport,
    Receive,
    State,
    SwarmInfo,
    TransportState,
)
from sfukit.swarm.native import EventHandler, RefusalHandler

Result = TypeVar("Result")
Kind = TypeVar("Kind", bound=Command)

FINGERPRINT = "sha-256 " + ":".join(["CD"] * 32)


class FakeSwarm:
    """A ``Swarm`` without sockets: transports connect and streams start as soon as requested."""

    def __init__(self, *, connects: bool = True, media: bool = True) -> None:
        self.info = SwarmInfo(fingerprint=FINGERPRINT, workers=1)
        self.commands: list[Command] = []
        self.results: dict[type[Command], object] = {}
        self.closed = False
        self._connects = connects
        self._media = media
        self._last_id = 0
        self._on_event: EventHandler | None = None
        self._on_refusal: RefusalHandler | None = None

    def listen(self, on_event: EventHandler, on_refusal: RefusalHandler) -> None:
        self._on_event, self._on_refusal = on_event, on_refusal

    def now_ns(self) -> int:
        return int(asyncio.get_running_loop().time() * 1e9)

    def new_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def send(self, commands: Sequence[Command]) -> None:
        self.commands += commands
        for command in commands:
            if isinstance(command, OpenTransport) and self._connects:
                self.connect(command.transport)
            if isinstance(command, Receive) and self._media:
                self.report_first_frame(command.stream)

    async def request(self, command: Command, result: type[Result]) -> Result:
        self.send([command])
        return msgspec.convert(self.results[type(command)], result)

    def close(self) -> None:
        self.closed = True

    def of(self, kind: type[Kind]) -> list[Kind]:
        """List the commands of one kind, in order."""
        return [command for command in self.commands if isinstance(command, kind)]

    def connect(self, transport: int) -> None:
        """Report a transport as connected."""
        self.report_state(transport, "connected")

    def report_state(self, transport: int, state: State, reason: str = "") -> None:
        """Report the state of a transport."""
        assert self._on_event is not None
        self._on_event(
            TransportState(
                transport=transport,
                state=state,
                reason=reason,
                srtp_profile="SRTP_AEAD_AES_128_GCM",
                ice_ms=1.0,
                dtls_ms=2.0,
                at_ns=self.now_ns(),
            )
        )

    def report_first_frame(self, stream: int) -> None:
        """Report the first frame of a stream."""
        assert self._on_event is not None
        self._on_event(FirstFrame(stream=stream, at_ns=self.now_ns()))

    def refuse(self, command: Command, error: CommandError) -> None:
        """Report a command as refused."""
        assert self._on_refusal is not None
        self._on_refusal(command, error)
