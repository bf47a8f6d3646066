"""The target's estimates of narrow downlinks over time, where its signaling reports them."""

import asyncio
from collections.abc import Callable, Iterable

from sfukit.loadgen.metrics.ledger import Ledger
from sfukit.loadgen.scenario import Bot, Plan
from sfukit.loadgen.targets.base import EstimatingSession, Session
from sfukit.swarm.native import Swarm

_INTERVAL_S = 0.5  # of the statistics of a room, which the server keeps as long
# Statistics are of a whole room: in a large one they would be load that no plan has.
MOST_CLIENTS = 50

Sessions = Callable[[], Iterable[tuple[Bot, Session]]]


async def follow(plan: Plan, swarm: Swarm, ledger: Ledger, sessions: Sessions) -> None:
    """Record the estimates of traced downlinks until cancelled."""
    rooms = {room.index for room in plan.rooms if len(room.slots) <= MOST_CLIENTS}
    while plan.traced:
        each = (
            _record(bot, session, swarm, ledger)
            for bot, session in sessions()
            if bot.room in rooms and (bot.slot, "down") in plan.traced
            if isinstance(session, EstimatingSession) and ledger.is_connected(bot)
        )
        await asyncio.gather(*each)
        await asyncio.sleep(_INTERVAL_S)


async def _record(bot: Bot, session: EstimatingSession, swarm: Swarm, ledger: Ledger) -> None:
    estimate_bps = await session.estimate_bps()
    if estimate_bps is not None:
        ledger.estimated(bot, swarm.now_ns(), estimate_bps)
