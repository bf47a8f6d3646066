"""Encodings and layers of WHEP sessions: what a player is told, and what it selects.

Source: "Video Layer Selection extension" and "layers event" of draft-ietf-wish-whep-03.
"""

import math
from typing import Annotated, Any

import msgspec

from sfukit.server.native_messages import Preference

_WIDE = 16 / 9  # of a bound of which one side is given


class LayerSelection(msgspec.Struct, rename="camel"):
    """A request of "Video Layer Selection" (draft-ietf-wish-whep-03); ids select up to a layer."""

    media_id: str | None = None
    rid: str | None = None
    spatial_layer_id: Annotated[int, msgspec.Meta(ge=0, le=3)] | None = None
    temporal_layer_id: Annotated[int, msgspec.Meta(ge=0, le=7)] | None = None
    max_spatial_layer_id: Annotated[int, msgspec.Meta(ge=0, le=3)] | None = None
    max_temporal_layer_id: Annotated[int, msgspec.Meta(ge=0, le=7)] | None = None
    max_width: Annotated[int, msgspec.Meta(ge=1, le=16_384)] | None = None
    max_height: Annotated[int, msgspec.Meta(ge=1, le=16_384)] | None = None

    @property
    def preference(self) -> Preference:
        """The bounds for the engine, which sends up to twice the pixels of the given size."""
        return Preference(
            *_shown_size(self.max_width, self.max_height),
            spatial=_lowest(self.spatial_layer_id, self.max_spatial_layer_id),
            temporal=_lowest(self.temporal_layer_id, self.max_temporal_layer_id),
        )


def described(row: dict[str, Any]) -> dict[str, Any]:
    """Return an encoding as the event ``layers`` has it; bitrate 0: inactive."""
    return {
        "rid": row["rid"],
        "bitrate": round(row["bitrate_bps"] or 0) if row["active"] else 0,
        "width": row["frame_width"],
        "height": row["frame_height"],
    }


def _lowest(*ids: int | None) -> int | None:
    return min((one for one in ids if one is not None), default=None)


def _shown_size(width: int | None, height: int | None) -> tuple[int | None, int | None]:
    """Return the size of half the pixels, since the engine sends up to twice those shown."""
    if width is None and height is None:
        return None, None
    wide = width or round((height or 1) * _WIDE)
    high = height or round(wide / _WIDE)
    return max(1, math.isqrt(wide * wide // 2)), max(1, math.isqrt(high * high // 2))
