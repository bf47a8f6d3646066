"""The share of a plan that one process takes (``--shard 2/5``). Pure.

Shares are whole rooms where there are as many rooms as shards, so that both ends of a track are in
one process and its frame delay is measured with one clock. Fewer rooms are spread: the clients are
dealt to the shards in the order in which they join.
"""

from collections.abc import Sequence

from sfukit.errors import UsageError
from sfukit.loadgen.options import Shard
from sfukit.loadgen.scenario.participants import Bot, Room

MOST_SHARDS = 1000


def holders(rooms: Sequence[Room], shards: int) -> list[int]:
    """Return the shard of each slot of the rooms, by index of the slot."""
    slots = [bot for room in rooms for bot in room.slots]
    if len(rooms) >= shards:
        return [bot.room % shards + 1 for bot in slots]
    return [place % shards + 1 for place in range(len(slots))]


def share(rooms: Sequence[Room], bots: Sequence[Bot], shard: Shard) -> frozenset[int]:
    """Return the indices of the bots of one shard; a replacement is where its slot is.

    Raises ``UsageError`` where the shard has none.
    """
    holder = holders(rooms, shard.count)
    found = frozenset(bot.index for bot in bots if holder[bot.slot] == shard.index)
    if not found:
        raise UsageError(
            f"shard {shard}: no client is left for it: the plan has {len(holder)}",
            hint=f"give {len(holder)} shards at most",
        )
    return found
