"""Publishers that share one WHIP endpoint are counted and named."""

import pytest

from sfukit.loadgen import endpoints
from sfukit.loadgen.options import LoadOptions
from sfukit.loadgen.result.report import Target
from sfukit.loadgen.scenario import plan

PUBLISH = LoadOptions(clients=4, shape="publish")
PAIR = LoadOptions(clients=4, shape="pair")
TWO_ROOMS = LoadOptions(clients=6, rooms=2, shape="pair")


@pytest.mark.parametrize(
    ("url", "load", "most"),
    [
        ("https://h/whip", PUBLISH, 4),
        ("https://h/whip/{room}", PUBLISH, 4),
        ("https://h/whip/{n}", PUBLISH, 1),
        ("https://h/whip", PAIR, 1),
        ("https://h/whip", TWO_ROOMS, 2),
        ("https://h/whip/{room}", TWO_ROOMS, 1),
    ],
)
def test_publishers_of_one_url_are_counted(url: str, load: LoadOptions, most: int) -> None:
    whole = plan(load)
    target = endpoints.counted(Target(kind="whip", url=url), whole)
    assert target.publishers_per_endpoint == most
    told = endpoints.note(target)
    if most == 1:
        assert told is None
    else:
        assert told is not None and told.startswith(f"{most} publishers share one WHIP endpoint")


def test_rooms_are_no_endpoints() -> None:
    target = Target(kind="sfukit", url="http://h")
    assert endpoints.counted(target, plan(LoadOptions(clients=4))) == target
    assert endpoints.note(target) is None
