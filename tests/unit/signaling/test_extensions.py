"""Header extensions: which are accepted from a publisher, and which a subscriber gets."""

import pytest

from sfukit.signaling import extensions
from sfukit.signaling.extensions import DEPENDENCY_DESCRIPTOR, MID, OFFERED_IDS


@pytest.mark.parametrize(
    ("codec", "is_taken"), [("VP9", True), ("AV1", True), ("H264", True), ("VP8", False)]
)
def test_the_dependency_descriptor_is_taken_from_codecs_with_layers_in_it(
    codec: str, is_taken: bool
) -> None:
    taken = extensions.from_publisher("video", codec, {MID: 4, DEPENDENCY_DESCRIPTOR: 12})
    assert taken == ({MID: 4, DEPENDENCY_DESCRIPTOR: 12} if is_taken else {MID: 4})


@pytest.mark.parametrize(
    ("received", "mixed", "is_sent"),
    [
        ((MID, DEPENDENCY_DESCRIPTOR), True, True),
        ((MID, DEPENDENCY_DESCRIPTOR), False, False),
        ((MID,), True, False),
    ],
)
def test_the_dependency_descriptor_is_sent_to_receivers_that_can_read_a_long_one(
    received: tuple[str, ...], mixed: bool, is_sent: bool
) -> None:
    ids = extensions.to_subscriber([DEPENDENCY_DESCRIPTOR], OFFERED_IDS)
    sent = extensions.usable_descriptor(ids, received, mixed=mixed)
    assert (DEPENDENCY_DESCRIPTOR in sent) is is_sent
    assert sent.items() <= ids.items()
    assert MID in sent
