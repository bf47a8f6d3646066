"""The bots with an impaired network: a share of each group, chosen by the seed. Pure."""

import random
from collections.abc import Sequence
from dataclasses import replace

from sfukit.loadgen.options import LoadOptions, Phase
from sfukit.loadgen.scenario.participants import Bot, Room
from sfukit.swarm.impairment import Impairment


def network_of(bot: Bot, options: LoadOptions) -> tuple[Impairment | None, Impairment | None]:
    """Return the impairment of a bot, up and down: that of its group, else that of the load."""
    group = bot.group
    if group is not None and (group.net_up or group.net_down):
        return group.net_up, group.net_down
    return options.net_up, options.net_down


def network_at(
    bot: Bot, options: LoadOptions, at_s: float
) -> tuple[Impairment | None, Impairment | None]:
    """Return the impairment of a bot at a time of the run, up and down."""
    current = network_of(bot, options)
    for phase in _phases(bot, options):
        if phase.at_s > at_s:
            break
        current = phase.net_up, phase.net_down
    return current


def networks_of(
    bot: Bot, options: LoadOptions
) -> list[tuple[Impairment | None, Impairment | None]]:
    """Return the impairments of a bot from the first to the last phase, up and down."""
    later = [(phase.net_up, phase.net_down) for phase in _phases(bot, options)]
    return [network_of(bot, options), *later]


def _phases(bot: Bot, options: LoadOptions) -> list[Phase]:
    """Return the phases of a bot in the order of time: of its group, else of the run."""
    group = bot.group
    name = None if group is None else group.name
    if any(phase.group is not None and phase.group == name for phase in options.phases):
        return [phase for phase in options.phases if phase.group == name]
    if group is not None and (group.net_up or group.net_down):
        return []
    return [phase for phase in options.phases if phase.group is None]


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
        networks = networks_of(bot, options)
        is_sender = bot.sends and any(up for up, _ in networks)
        if is_sender or (any(down for _, down in networks) and _receives(bot, room, options)):
            candidates.append(bot.index)
    if not candidates:
        return set()
    group = bots[0][0].group
    own = group is not None and (
        group.net_up or group.net_down or any(one.group == group.name for one in options.phases)
    )
    share = group.net_share if group is not None and own else options.net_share
    return set(random.Random(options.seed).sample(candidates, round(share * len(candidates))))


def _receives(bot: Bot, room: Room, options: LoadOptions) -> bool:
    """Return whether a bot subscribes to another."""
    if options.shape == "publish" or (options.shape == "pair" and bot.sends):
        return False
    if bot.group is not None and not bot.group.subscribes:
        return False
    return any(publisher.index != bot.index for publisher in room.publishers)
