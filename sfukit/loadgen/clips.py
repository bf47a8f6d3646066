"""The clips of a plan: encoded where they are neither shipped nor cached, and loaded."""

import asyncio
from collections.abc import Callable, Mapping

from sfukit.loadgen.scenario import Plan
from sfukit.media import cache, catalog
from sfukit.swarm.messages import Command, LoadClip


def clip_ids(plan: Plan) -> Mapping[str, int]:
    """Return the clip ids: one for each encoding by rid, and ``audio``."""
    names = [encoding.rid for encoding in plan.encodings] + ["audio"]
    return {name: number for number, name in enumerate(names, 1)}


def load_commands(plan: Plan, clips: Mapping[str, int]) -> list[Command]:
    """Return the commands that load the clips under their ids."""
    codec = plan.options.codec
    commands: list[Command] = [
        LoadClip(clip=clips[encoding.rid], path=str(cache.video_clip(codec, encoding.clip)))
        for encoding in plan.encodings
    ]
    commands.append(LoadClip(clip=clips["audio"], path=str(catalog.audio_clip())))
    return commands


async def encode_missing(plan: Plan, report: Callable[[str, str], None]) -> None:
    """Encode the clips that are neither shipped nor cached; ``report`` receives a line each."""
    codec = plan.options.codec
    for encoding in plan.encodings if plan.has_video else ():
        if not cache.path(codec, encoding.clip).exists():
            cached = f"encoded once and cached in {cache.folder()}"
            report("media", f"{codec.upper()} {encoding.clip.name}: {cached}")
            await asyncio.to_thread(cache.video_clip, codec, encoding.clip)
