"""The fixtures. They read no configuration of pytest and add no option to it."""

from collections.abc import Iterator

import pytest

from sfukit.testing.runs import Swarm
from sfukit.testing.server import SfuServer, serving


@pytest.fixture(scope="session")
def sfu_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SfuServer]:
    """Run ``sfukit serve`` on free ports of 127.0.0.1 while the session lasts."""
    with serving(tmp_path_factory.mktemp("sfu_server")) as server:
        yield server


@pytest.fixture
def swarm(tmp_path_factory: pytest.TempPathFactory) -> Swarm:
    """Return the swarm: load tests and latency measurements, with a folder for their reports."""
    return Swarm(tmp_path_factory.mktemp("swarm"))
