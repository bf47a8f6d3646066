"""Figures of one participant out of its room's, which are asked for at most twice a second."""

import asyncio
import time
from typing import TYPE_CHECKING, Any

import msgspec

from sfukit.server.engine import first_error, refuse
from sfukit.server.native_messages import RoomFigures, RoomStats

if TYPE_CHECKING:
    from sfukit.server.participant import Participant
    from sfukit.server.room import Room

_MAX_AGE_S = 0.5
_decoder = msgspec.json.Decoder(RoomFigures)


class StatsCache:
    """The latest figures of one room; many who ask at once share one question."""

    def __init__(self, room: "Room") -> None:
        self._room = room
        self._figures = RoomFigures()
        self._taken_s = float("-inf")
        self._lock = asyncio.Lock()

    async def figures(self) -> RoomFigures:
        """Return figures at most half a second old."""
        async with self._lock:
            if time.monotonic() - self._taken_s > _MAX_AGE_S:
                question = RoomStats(room=self._room.number)
                outcomes = await self._room.core.engine.run(self._room.worker, [question])
                if error := first_error(outcomes):
                    raise refuse(error)
                self._figures = _decoder.decode(outcomes[0].result)
                self._taken_s = time.monotonic()
        return self._figures


async def participant_stats(participant: "Participant") -> dict[str, Any]:
    """Pick what belongs to a participant, with publications instead of subscriptions named."""
    figures = await participant.room.stats.figures()
    publishing, subscribing = participant.publishing, participant.subscribing
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
