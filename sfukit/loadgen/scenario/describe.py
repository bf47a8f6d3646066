"""The plan in one line."""

from collections.abc import Iterator

from sfukit import units
from sfukit.loadgen.options import LoadOptions
from sfukit.loadgen.scenario import churn
from sfukit.loadgen.scenario.planning import Plan


def plan_line(whole: Plan) -> str:
    """Return the plan in one line: clients, rooms, media, phases."""
    options = whole.options
    media = []
    if whole.has_video:
        several = f" x{len(whole.encodings)}" if len(whole.encodings) > 1 else ""
        largest = units.show_bitrate(whole.encodings[-1].bitrate_bps)
        up_to = f" up to {largest}" if options.bitrate_bps is not None else ""
        *others, last = (codec.upper() for codec in whole.codecs)
        codecs = f"{', '.join(others)} and {last}" if others else last
        media.append(f"{codecs}{several}{up_to if several else f' {largest}'}")
    if any(bot.audio for bot in whole.bots):
        media.append("Opus")
    count = len(whole.slots)
    clients = f"{count} client{'s' * (count != 1)}"
    parts = [clients, _rooms_text(whole), " + ".join(media), *_changes(options)]
    return f"{', '.join(parts)}; {_times(whole)} ({units.show_duration(whole.total_s)})"


def _changes(options: LoadOptions) -> Iterator[str]:
    """Return what differs from a static load of the scenario."""
    if options.layout is not None:
        yield f"layout {options.layout}"
    if options.speaker_switch_s is not None:
        yield f"another speaker every {options.speaker_switch_s:.3g} s"
    if options.handover_s is not None:
        yield f"another local address every {options.handover_s:.3g} s"
    if options.churn_per_s:
        yield f"{churn.show(options.churn_per_s)} replaced"


def _times(whole: Plan) -> str:
    options = whole.options
    if not options.stages:
        return (
            f"{whole.ramp.span_s:.3g} s ramp, {options.warmup_s:.3g} s warm-up, "
            f"{options.duration_s:.3g} s measured"
        )
    stages = ", ".join(
        f"{units.show_duration(stage.duration_s)} of {stage.clients}" for stage in options.stages
    )
    return (
        f"ramps of {options.ramp_per_s:.3g}/s, {options.warmup_s:.3g} s warm-up each, "
        f"stages: {stages}"
    )


def _rooms_text(whole: Plan) -> str:
    if whole.options.groups:
        members = ", ".join(f"{one.clients} {one.name}" for one in whole.options.groups)
        count = len(whole.rooms)
        return f"1 room: {members}" if count == 1 else f"{count} rooms, each {members}"
    if whole.options.shape == "publish":
        return "all publishing, no viewers (no --play URL)"
    if whole.options.shape == "pair":
        publishers = sum(bot.sends for bot in whole.slots)
        return f"{publishers} publishing, {len(whole.slots) - publishers} viewing"
    sizes = sorted({len(room.slots) for room in whole.rooms})
    if len(whole.rooms) == 1:
        publishers = sum(bot.sends for bot in whole.slots)
        return "1 room" if publishers == sizes[0] else f"1 room with {publishers} publishing"
    return f"{len(whole.rooms)} rooms of {' or '.join(map(str, sizes))}"
