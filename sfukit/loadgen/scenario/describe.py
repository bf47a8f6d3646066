"""The plan in one line."""

from sfukit import units
from sfukit.loadgen.scenario.planning import Plan


def plan_line(whole: Plan) -> str:
    """Return the plan in one line: clients, rooms, media, phases."""
    options = whole.options
    media = []
    if whole.has_video:
        several = f" x{len(whole.encodings)}" if len(whole.encodings) > 1 else ""
        largest = units.show_bitrate(whole.encodings[-1].bitrate_bps)
        up_to = f" up to {largest}" if options.bitrate_bps is not None else ""
        media.append(f"{options.codec.upper()}{several}{up_to if several else f' {largest}'}")
    if any(bot.audio for bot in whole.bots):
        media.append("Opus")
    count = len(whole.bots)
    return (
        f"{count} client{'s' * (count != 1)}, {_rooms_text(whole)}, {' + '.join(media)}; "
        f"{whole.ramp.span_s:.3g} s ramp, {options.warmup_s:.3g} s warm-up, "
        f"{options.duration_s:.3g} s measured ({units.show_duration(whole.total_s)})"
    )


def _rooms_text(whole: Plan) -> str:
    if whole.options.shape == "publish":
        return "all publishing, no viewers (no --play URL)"
    if whole.options.shape == "pair":
        publishers = sum(bot.sends for bot in whole.bots)
        return f"{publishers} publishing, {len(whole.bots) - publishers} viewing"
    sizes = sorted({len(room.bots) for room in whole.rooms})
    if len(whole.rooms) == 1:
        publishers = len(whole.rooms[0].publishers)
        return "1 room" if publishers == sizes[0] else f"1 room with {publishers} publishing"
    return f"{len(whole.rooms)} rooms of {' or '.join(map(str, sizes))}"
