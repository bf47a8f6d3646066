"""One participant of the plan, with connections made of aiortc."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from sfukit.loadgen.latency.independent.connections import Connection, Publishing, Receiving
from sfukit.loadgen.latency.independent.forwarder import Forwarder
from sfukit.loadgen.latency.independent.frame_log import FrameLog
from sfukit.loadgen.latency.independent.impaired_path import ImpairedPath
from sfukit.loadgen.latency.independent.scene_track import SceneTrack
from sfukit.loadgen.scenario import Bot, Encoding, Plan, Size

_C = TypeVar("_C", bound=Connection)


class AiortcParticipant:
    """A ``Participant``: usable with every target."""

    dynacast = False
    audio = False  # the latency of video is measured

    def __init__(
        self,
        plan: Plan,
        bot: Bot,
        log: FrameLog,
        loop_frames: list[np.ndarray],
        late_ms: list[float],
    ) -> None:
        self.name = bot.name
        self.room = plan.rooms[bot.room].name
        self.number = bot.index + 1
        self.clients = len(plan.slots)
        self.run_s = plan.total_s
        self.video = bot.video
        self.encodings: Sequence[Encoding] = plan.encodings
        self.video_codec: str = plan.options.codec
        self.subscriptions: dict[str, Size] = {
            one.publisher.name: one.size for one in plan.subscriptions(bot)
        }
        self.faults: list[tuple[str, str]] = []
        self.connections: list[Connection] = []
        self._plan = plan
        self._log = log
        self._loop_frames = loop_frames
        self._late_ms = late_ms

    def accepted(self) -> None:
        """Record nothing: the connections show the join."""

    def fault(self, code: str, message: str) -> None:
        """Keep the first few faults."""
        if len(self.faults) < 16:
            self.faults.append((code, message))

    def switched(self, reason: str, wait_ms: float | None) -> None:
        """Record nothing: there is one encoding."""

    def backed_off(self, delay_s: float) -> None:
        """Record nothing."""

    def retried(self) -> None:
        """Record nothing."""

    def publisher(self, *, trickle: bool = False, rids: Sequence[str] | None = None) -> Publishing:
        """Open the connection that publishes, one encoding whatever ``rids``."""
        tracks = [SceneTrack(self._loop_frames, self._log, self._late_ms)] if self.video else []
        forwarder = self._forwarder(publishes=True)
        return self._opened(Publishing(self._log, forwarder, self.video_codec, tracks))

    def subscriber(self, *, trickle: bool = False) -> Receiving:
        """Open a connection that receives."""
        forwarder = self._forwarder(publishes=False)
        return self._opened(Receiving(self._log, forwarder, self.video_codec))

    async def close(self) -> None:
        """Close all connections."""
        for connection in self.connections:
            await connection.close()

    def _opened(self, connection: _C) -> _C:
        self.connections.append(connection)
        return connection

    def _forwarder(self, *, publishes: bool) -> Forwarder:
        options = self._plan.options
        seed = options.seed * 16 + self.number * 4
        return Forwarder(
            ImpairedPath(options.net_up, seed),
            ImpairedPath(options.net_down, seed + 1),
            self._log.sent if publishes else _ignore,
            _ignore if publishes else self._log.received,
        )


def _ignore(_datagram: bytes, _at_s: float) -> None:
    pass
