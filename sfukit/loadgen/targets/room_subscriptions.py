"""What one participant subscribes to in a room, and at which layer. No I/O."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from sfukit.loadgen.scenario import Size, rank
from sfukit.signaling.room_messages import LayersParams, SubscribeParams, UnsubscribeParams

Layer = int | str

_AUTO: Layer = "auto"
_MAX_PUBLICATIONS = 16  # of one participant at a time


class Publication(msgspec.Struct):
    """A publication of ``publication-added``, or of a participant in the result of ``join``."""

    publication: int
    kind: str
    uid: str = ""


class Request(NamedTuple):
    """A request to send: its method and its params."""

    method: str
    params: object


class TooManyPublicationsError(Exception):
    """The target announces more publications than planned."""


class RoomSubscriptions:
    """The publications of the planned publishers, and the layer of those subscribed."""

    def __init__(self, encodings: int) -> None:
        self._encodings = encodings
        self._known: dict[int, Publication] = {}
        self._layers: dict[int, Layer] = {}

    def added(self, publications: Iterable[Publication], sizes: Mapping[str, Size]) -> None:
        """Record publications; those of unknown publishers are ignored."""
        for one in publications:
            if one.uid in sizes and one.publication not in self._known:
                if len(self._known) >= _MAX_PUBLICATIONS * len(sizes):
                    raise TooManyPublicationsError
                self._known[one.publication] = one

    def removed(self, publication: int) -> None:
        """Record that a publication ended."""
        self._known.pop(publication, None)
        self._layers.pop(publication, None)

    def requests(self, sizes: Mapping[str, Size]) -> list[Request]:
        """Return the requests that bring the subscriptions to ``sizes``, by publisher."""
        wanted = {
            number: layer
            for number, one in self._known.items()
            if (layer := self._layer(one, sizes.get(one.uid, "hidden"))) is not None
        }
        new: dict[Layer, list[int]] = {}
        for number, layer in wanted.items():
            if number not in self._layers:
                new.setdefault(layer, []).append(number)
        requests = [Request("subscribe", SubscribeParams(new[one], one)) for one in _order(new)]
        requests += [
            Request("layers", LayersParams(number, layer))
            for number, layer in wanted.items()
            if self._layers.get(number, layer) != layer
        ]
        hidden = [number for number in self._layers if number not in wanted]
        if hidden:
            requests.append(Request("unsubscribe", UnsubscribeParams(hidden)))
        self._layers = wanted
        return requests

    def _layer(self, publication: Publication, size: Size) -> Layer | None:
        """Return the layer of a size; None where the publication is not subscribed to."""
        if publication.kind != "video":
            return _AUTO
        if size == "hidden":
            return None
        return _AUTO if size == "large" else rank(size, self._encodings)


def _order(layers: Iterable[Layer]) -> list[Layer]:
    """Return the large ones first."""
    return sorted(layers, key=lambda layer: (layer != _AUTO, str(layer)))
