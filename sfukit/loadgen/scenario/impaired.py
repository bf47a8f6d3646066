"""The bots with an impaired network: a share of each group, chosen by the seed. Pure."""

import random
from collections.abc import Sequence
from dataclasses import replace

from sfukit.loadgen.options import LoadOptions
from sfukit.loadgen.scenario.participants import Bot, Room
from sfukit.swarm.impairment import Impairment


def network_of(bot: Bot, options: LoadOptions) -> tuple[Impairment | None, Impairment | None]:
    """Return the impairment of a bot, up and down: that of its group, else that of the load."""
    group = bot.group
    if group is not None and (group.net_up or group.net_down):
        return group.net_up, group.net_down
    return options.net_up, options.net_down


def impaired(rooms: Sequence[Room], options: LoadOptions) -> list[Room]:
    """Return the rooms with the share of bots that are impaired."""
    chosen: set[int] = set()
    for names in (None, *(group.name for group in options.groups)):
        own = [
            (bot, room)
            for room in rooms
            for bot in room.bots
            if names == (bot.group.name if bot.group else None)
        ]
        chosen |= _chosen(own, options)
    if not chosen:
        return list(rooms)
    return [
        replace(room, bots=tuple(replace(bot, impaired=bot.index in chosen) for bot in room.bots))
        for room in rooms
    ]


def _chosen(bots: Sequence[tuple[Bot, Room]], options: LoadOptions) -> set[int]:
    """Return the impaired ones of bots that share their network."""
    candidates = []
    for bot, room in bots:
        net_up, net_down = network_of(bot, options)
        if (net_up and bot.sends) or (net_down and _receives(bot, room, options)):
            candidates.append(bot.index)
    if not candidates:
        return set()
    group = bots[0][0].group
    own = group is not None and (group.net_up or group.net_down)
    share = group.net_share if group is not None and own else options.net_share
    return set(random.Random(options.seed).sample(candidates, round(share * len(candidates))))


def _receives(bot: Bot, room: Room, options: LoadOptions) -> bool:
    """Return whether a bot subscribes to another."""
    if options.shape == "publish" or (options.shape == "pair" and bot.sends):
        return False
    if bot.group is not None and not bot.group.subscribes:
        return False
    return any(publisher.index != bot.index for publisher in room.publishers)
