"""The clips of a plan: encoded where they are neither shipped nor cached, and loaded."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Mapping

from sfukit.loadgen.options import VideoCodec
from sfukit.loadgen.scenario import Encoding, Plan
from sfukit.media import cache, catalog
from sfukit.media.stopping import EncodingStoppedError
from sfukit.swarm.messages import Command, LoadClip

AUDIO = "audio"


def clip_name(plan: Plan, codec: VideoCodec, rid: str | None) -> str:
    """Return the name of the clip of an encoding: its rid, after another codec than the load's."""
    return (rid or "") if codec == plan.options.codec else f"{codec} {rid or ''}"


def clip_ids(plan: Plan) -> Mapping[str, int]:
    """Return the clip ids: one for each codec and encoding, and ``AUDIO``."""
    names = [clip_name(plan, codec, encoding.rid) for codec, encoding in _videos(plan)] + [AUDIO]
    return {name: number for number, name in enumerate(names, 1)}


def load_commands(plan: Plan, clips: Mapping[str, int]) -> list[Command]:
    """Return the commands that load the clips under their ids."""
    commands: list[Command] = [
        LoadClip(
            clip=clips[clip_name(plan, codec, encoding.rid)],
            path=str(cache.video_clip(codec, encoding.clip)),
        )
        for codec, encoding in _videos(plan)
    ]
    commands.append(LoadClip(clip=clips[AUDIO], path=str(catalog.audio_clip())))
    return commands


async def encode_missing(plan: Plan, report: Callable[[str, str], None]) -> None:
    """Encode the clips that are neither shipped nor cached; ``report`` receives a line each."""
    for codec, encoding in _videos(plan):
        if not cache.path(codec, encoding.clip).exists():
            cached = f"encoded once and cached in {cache.folder()}"
            report("media", f"{codec.upper()} {encoding.clip.name}: {cached}")
            await _encode(codec, encoding)


async def _encode(codec: VideoCodec, encoding: Encoding) -> None:
    """Encode and cache a clip in a thread, which ends at its next frame where this is cancelled."""
    stop = threading.Event()
    encoding_it = asyncio.ensure_future(
        asyncio.to_thread(cache.video_clip, codec, encoding.clip, stop.is_set)
    )
    try:
        await asyncio.shield(encoding_it)
    except asyncio.CancelledError:
        stop.set()
        with contextlib.suppress(EncodingStoppedError):
            await encoding_it
        raise


def _videos(plan: Plan) -> list[tuple[VideoCodec, Encoding]]:
    return [(codec, encoding) for codec in plan.codecs for encoding in plan.encodings]
