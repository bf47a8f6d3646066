"""Figures of one participant out of its room's, which are asked for at most twice a second."""

import asyncio
import time
from typing import Any

import msgspec

from sfukit.server.engine import Engine, first_error, refuse
from sfukit.server.native_messages import RoomFigures, RoomStats
from sfukit.server.publishing import Publishing
from sfukit.server.subscribing import Subscribing

_MAX_AGE_S = 0.5
_decoder = msgspec.json.Decoder(RoomFigures)


class StatsCache:
    """The latest figures of one room; many who ask at once share one question."""

    def __init__(self, engine: Engine, room: int, worker: int) -> None:
        self._engine = engine
        self._room = room
        self._worker = worker
        self._figures = RoomFigures()
        self._taken_s = float("-inf")
        self._lock = asyncio.Lock()

    async def figures(self) -> RoomFigures:
        """Return figures at most half a second old."""
        async with self._lock:
            if time.monotonic() - self._taken_s > _MAX_AGE_S:
                outcomes = await self._engine.run(self._worker, [RoomStats(room=self._room)])
                if error := first_error(outcomes):
                    raise refuse(error)
                self._figures = _decoder.decode(outcomes[0].result)
                self._taken_s = time.monotonic()
        return self._figures


def of_participant(
    figures: RoomFigures, publishing: Publishing, subscribing: Subscribing | None
) -> dict[str, Any]:
    """Pick what belongs to a participant, with publications instead of subscriptions named."""
    targets = {publishing.transport: 0}
    received: dict[int, int] = {}
    if subscribing is not None:
        targets[subscribing.transport] = 1
        received = {
            entry.number: number
            for number, entry in subscribing.subscriptions.items()
            if entry.number is not None
        }
    return {
        "transports": [
            {"target": targets[row["transport"]], **row}
            for row in figures.transports
            if row["transport"] in targets
        ],
        "publications": [
            row for row in figures.publications if row["publication"] in publishing.publications
        ],
        "subscriptions": [
            {"publication": received[row["subscription"]], **row}
            for row in figures.subscriptions
            if row["subscription"] in received
        ],
    }
