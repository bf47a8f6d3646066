"""A stand-in for the swarm: it remembers its commands and does what it is told to say.

Tests and profiles of the control plane use it; media it has none.
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

Answer = TypeVar("Answer")
Kind = TypeVar("Kind", bound=Command)

FINGERPRINT = "sha-256 " + ":".join(["CD"] * 32)


class FakeSwarm:
    """What a test gives instead of the native swarm."""

    def __init__(self, *, connects: bool = True, media: bool = True) -> None:
        self.info = SwarmInfo(fingerprint=FINGERPRINT, workers=1)
        self.commands: list[Command] = []
        self.answers: dict[type[Command], object] = {}
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
                self.show(command.stream)

    async def ask(self, command: Command, answer: type[Answer]) -> Answer:
        self.send([command])
        return msgspec.convert(self.answers[type(command)], answer)

    def close(self) -> None:
        self.closed = True

    def of(self, kind: type[Kind]) -> list[Kind]:
        """List the commands of one kind, in order."""
        return [command for command in self.commands if isinstance(command, kind)]

    def connect(self, transport: int) -> None:
        """Say that a transport is up."""
        self.tell_state(transport, "connected")

    def tell_state(self, transport: int, state: State, reason: str = "") -> None:
        """Say that a transport reached a state."""
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

    def show(self, stream: int) -> None:
        """Say that a stream's first frame arrived."""
        assert self._on_event is not None
        self._on_event(FirstFrame(stream=stream, at_ns=self.now_ns()))

    def refuse(self, command: Command, error: CommandError) -> None:
        """Say that a command was refused."""
        assert self._on_refusal is not None
        self._on_refusal(command, error)
