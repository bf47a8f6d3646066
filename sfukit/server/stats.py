"""Statistics of a participant from those of its room, requested at most twice a second."""

import asyncio
import time
from typing import Any

import msgspec

from sfukit.server.engine import Engine, first_error, refusal_of
from sfukit.server.native_messages import RoomStats, RoomStatsReport
from sfukit.server.publish_connection import PublishConnection
from sfukit.server.subscribe_connection import SubscribeConnection

_MAX_AGE_S = 0.5
_decoder = msgspec.json.Decoder(RoomStatsReport)


class StatsCache:
    """The latest statistics of one room; concurrent callers share one request."""

    def __init__(self, engine: Engine, room: int, worker: int) -> None:
        self._engine = engine
        self._room = room
        self._worker = worker
        self._report = RoomStatsReport()
        self._taken_s = float("-inf")
        self._lock = asyncio.Lock()

    async def report(self, max_age_s: float = _MAX_AGE_S) -> RoomStatsReport:
        """Return statistics that are at most so old."""
        async with self._lock:
            if time.monotonic() - self._taken_s > max_age_s:
                outcomes = await self._engine.run(self._worker, [RoomStats(room=self._room)])
                if error := first_error(outcomes):
                    raise refusal_of(error)
                self._report = _decoder.decode(outcomes[0].result)
                self._taken_s = time.monotonic()
        return self._report


def of_participant(
    report: RoomStatsReport,
    publish_connection: PublishConnection,
    subscribe_connection: SubscribeConnection | None,
) -> dict[str, Any]:
    """Return a participant's rows; subscriptions are identified by their publication."""
    targets = {publish_connection.transport: 0}
    received: dict[int, int] = {}
    if subscribe_connection is not None:
        targets[subscribe_connection.transport] = 1
        received = {
            entry.number: number
            for number, entry in subscribe_connection.subscriptions.items()
            if entry.number is not None
        }
    return {
        "transports": [
            {"target": targets[row["transport"]], **row}
            for row in report.transports
            if row["transport"] in targets
        ],
        "publications": [
            row
            for row in report.publications
            if row["publication"] in publish_connection.publications
        ],
        "subscriptions": [
            {"publication": received[row["subscription"]], **row}
            for row in report.subscriptions
            if row["subscription"] in received
        ],
    }
