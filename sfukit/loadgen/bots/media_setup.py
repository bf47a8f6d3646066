"""The swarm made ready for a plan: its events are counted, its clips are loaded."""

from sfukit.loadgen import decode_sample
from sfukit.loadgen.bots.clips import clip_ids, load_commands
from sfukit.loadgen.bots.media import Media
from sfukit.loadgen.metrics.ledger import Ledger
from sfukit.loadgen.options import RunOptions, Shard
from sfukit.loadgen.scenario import Plan
from sfukit.swarm.native import Swarm

_SPREAD = 2_654_435_761  # Knuth's multiplicative hash: close seeds have distant SSRCs
_SSRC_BITS = 0x7FFFFFF0


def planned_media(plan: Plan, options: RunOptions) -> Media:
    """Return what the bots of a plan send."""
    return Media(
        clips=clip_ids(plan),
        pacing=options.pacing,
        pli_policy=options.pli_policy,
        unwatched=options.unwatched,
        sampled=decode_sample.chosen(plan, decode_sample.streams(options)),
        ssrc_base=_ssrc_base(plan.options.seed, options.shard),
        relay=options.relay,
    )


def set_up(swarm: Swarm, plan: Plan, media: Media, ledger: Ledger) -> None:
    """Let the ledger count the events and failed commands of a swarm, and load its clips."""
    swarm.listen(
        ledger.on_event,
        lambda command, error: ledger.fault(
            f"swarm_{error.code}", f"{type(command).__name__}: {error.message}"
        ),
    )
    swarm.send(load_commands(plan, media.clips))


def _ssrc_base(seed: int, shard: Shard | None) -> int:
    """Return the first SSRC: other runs, and other shards of a run, have others."""
    number = seed + (0 if shard is None else shard.index << 20)
    return (number * _SPREAD) & _SSRC_BITS
