"""The wanted encoding of a size."""

import pytest

from sfukit.loadgen.bots.wanted import encoding_index, wanted
from sfukit.loadgen.options import LoadOptions
from sfukit.loadgen.scenario import Size, plan


@pytest.mark.parametrize(
    ("size", "of_three", "of_one"), [("large", 2, 0), ("medium", 1, 0), ("small", 0, 0)]
)
def test_sizes_are_encodings(size: Size, of_three: int, of_one: int) -> None:
    encodings = plan(LoadOptions(clients=2)).encodings
    assert encoding_index(encodings, size) == of_three
    assert encoding_index(encodings[:1], size) == of_one
    assert encoding_index((), size) == 0
    assert wanted(encodings, size).bitrates_bps == [150_000, 500_000, 1_700_000]
