"""Encodings and layers of WHEP sessions: what a player is told, and what it selects.

Source: "Video Layer Selection extension" and "layers event" of draft-ietf-wish-whep-03.
"""

import math
from collections.abc import Iterable
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


def described(encodings: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """List encodings with their layers as the event ``layers`` has them, the highest first.

    An encoding without rid has ids of its layers alone, and none where it has a single layer.
    """
    listed: list[dict[str, Any]] = []
    for row in encodings:
        rid = {} if row["rid"] is None else {"rid": row["rid"]}
        layers = row["layers"]
        if rid and not layers:
            listed.append({**rid, **_rate(row, row["active"]), **_size(row)})
        top = max((layer["spatial"] for layer in layers), default=0)
        for layer in layers:
            ids = {"spatialLayerId": layer["spatial"], "temporalLayerId": layer["temporal"]}
            size = _size(row) if layer["spatial"] == top else {}
            is_active = row["active"] and layer["active"]
            listed.append({**rid, **ids, **_rate(layer, is_active), **size})
    return listed[::-1]


def _rate(row: dict[str, Any], is_active: bool) -> dict[str, int]:
    """Return the bitrate with that of the layers below; 0: inactive."""
    return {"bitrate": row["bitrate_bps"] if is_active else 0}


def _size(row: dict[str, Any]) -> dict[str, int]:
    """Return the size of frames, once it is known."""
    if row["frame_width"] is None:
        return {}
    return {"width": row["frame_width"], "height": row["frame_height"]}


def _lowest(*ids: int | None) -> int | None:
    return min((one for one in ids if one is not None), default=None)


def _shown_size(width: int | None, height: int | None) -> tuple[int | None, int | None]:
    """Return the size of half the pixels, since the engine sends up to twice those shown."""
    if width is None and height is None:
        return None, None
    wide = width or round((height or 1) * _WIDE)
    high = height or round(wide / _WIDE)
    return max(1, math.isqrt(wide * wide // 2)), max(1, math.isqrt(high * high // 2))
