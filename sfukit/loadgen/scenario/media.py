"""The media of a load: the simulcast encodings that publishers send."""

from dataclasses import replace
from typing import NamedTuple

from sfukit import units
from sfukit.errors import UsageError
from sfukit.loadgen.options import LoadOptions
from sfukit.loadgen.scenario.participants import Size
from sfukit.media import catalog

AUDIO_BPS = 32_000
AUDIO_PACKETS_PER_S = 50.0

_LEAST_BPS, _MOST_BPS = 50_000, 20_000_000
_PAYLOAD_BYTES = 1_150


class Encoding(NamedTuple):
    """One simulcast encoding: its rid, and the clip that it sends."""

    rid: str
    clip: catalog.Encoding

    @property
    def bitrate_bps(self) -> int:
        """The bitrate of the clip."""
        return self.clip.bitrate_bps

    @property
    def packets_per_s(self) -> float:
        """The packet rate, estimated from the mean frame."""
        frames = self.clip.frames_per_second
        return frames * max(1.0, self.bitrate_bps / 8 / frames / _PAYLOAD_BYTES + 0.5)


LADDER = tuple(map(Encoding, "qhf", catalog.SIMULCAST))


def rank(size: Size, encodings: int) -> int:
    """Return the place of the encoding that a size asks for, of so many from the lowest."""
    match size:
        case "large":
            return encodings - 1
        case "medium":
            return min(1, encodings - 1)
        case _:
            return 0


def encodings(options: LoadOptions) -> tuple[Encoding, ...]:
    """Return the encodings up to the one nearest to ``--bitrate``, which gets that bitrate.

    ``--layers`` are the highest of them, ``--fps`` limits their frame rates.
    """
    ladder, requested_bps = LADDER, options.bitrate_bps
    if options.fps is not None or options.media is not None:
        ladder = tuple(_of_source(rung, options) for rung in LADDER)
    if requested_bps is not None:
        _check_bitrate(requested_bps)
        nearest = min(ladder, key=lambda rung: abs(rung.bitrate_bps - requested_bps))
        ladder = (*ladder[: ladder.index(nearest)], _at_rate(nearest, requested_bps))
    if options.layers is not None:
        return _highest(ladder, options.layers, simulcast=options.simulcast)
    return ladder if options.simulcast else ladder[-1:]


def _of_source(rung: Encoding, options: LoadOptions) -> Encoding:
    """Return an encoding with the frame rate and the file of the options."""
    clip, source = rung.clip, options.media
    fps = min(clip.frames_per_second, options.fps or clip.frames_per_second)
    name = f"{clip.height}p{fps}" + (f" of {source.name}" if source else "")
    return rung._replace(clip=replace(clip, name=name, frames_per_second=fps, source=source))


def _highest(ladder: tuple[Encoding, ...], layers: int, *, simulcast: bool) -> tuple[Encoding, ...]:
    if not simulcast and layers > 1:
        raise UsageError(
            f"--layers {layers} with --no-simulcast: contradict", hint="leave one of them out"
        )
    if layers > len(ladder):
        names = ", ".join(rung.clip.name for rung in ladder)
        raise UsageError(
            f"--layers {layers}: up to this --bitrate there are {len(ladder)} ({names})",
            hint=f"give --layers {len(ladder)}, or a higher --bitrate",
        )
    chosen = ladder[-layers:]
    return tuple(rung._replace(rid=rid) for rid, rung in zip("qhf", chosen, strict=False))


def _at_rate(rung: Encoding, bitrate_bps: int) -> Encoding:
    if bitrate_bps == rung.bitrate_bps:
        return rung
    name = f"{rung.clip.name} at {units.show_bitrate(bitrate_bps)}"
    return rung._replace(clip=replace(rung.clip, name=name, bitrate_bps=bitrate_bps))


def _check_bitrate(bitrate_bps: int) -> None:
    if not _LEAST_BPS <= bitrate_bps <= _MOST_BPS:
        raise UsageError(
            f"--bitrate {units.show_bitrate(bitrate_bps)}: out of the range of the clip",
            hint="give 50k to 20M",
        )
