"""Cores for the server and the swarm."""

import os
import threading

import pytest

from sfukit.errors import UsageError
from sfukit.loadgen.host import processes
from sfukit.loadgen.host.placement import Cores, place, running_on


@pytest.mark.parametrize(
    ("usable", "cores"),
    [
        ([0, 1], Cores("off", (0, 1), (0, 1))),
        ([0], Cores("auto", (0,), (0,))),
        ([0, 1], Cores("auto", (0, 1), (0, 1))),
        ([0, 1], Cores("exchange", (0, 1), (0, 1), cores_swapped=True)),
        ([0, 1, 2, 3], Cores("exchange", (0, 1, 2, 3), (0, 1, 2, 3), cores_swapped=True)),
        ([0, 1, 2, 3], Cores("auto", (0, 1), (2, 3))),
        ([0, 1], Cores("0:1", (0,), (1,))),
        ([0, 1, 2, 3], Cores("0-1:2,3", (0, 1), (2, 3))),
    ],
)
def test_placement(usable: list[int], cores: Cores) -> None:
    assert place(cores.pin, usable, server_here=True) == cores


def test_a_server_elsewhere_takes_no_core() -> None:
    cores = place("auto", [0, 1, 2, 3], server_here=False)
    assert (cores.server, cores.swarm, cores.disjoint) == ((), (0, 1, 2, 3), True)


@pytest.mark.parametrize(
    ("usable", "server_here", "says"),
    [([0, 1], False, "the private server"), ([0], True, "two cores")],
)
def test_where_no_cores_can_be_swapped_exchange_is_refused(
    usable: list[int], server_here: bool, says: str
) -> None:
    with pytest.raises(UsageError) as refused:
        place("exchange", usable, server_here=server_here)
    assert says in refused.value.what
    assert "leave --pin out" in (refused.value.hint or "")


@pytest.mark.parametrize(
    ("pin", "says"),
    [("both", "unknown value"), ("0:x", "'x'"), ("0:9", "core: 9"), (":", "''")],
)
def test_what_cannot_be_placed_is_named(pin: str, says: str) -> None:
    with pytest.raises(UsageError) as refused:
        place(pin, [0, 1], server_here=True)
    assert says in refused.value.what


def test_what_starts_meanwhile_stays_on_its_cores() -> None:
    before = os.sched_getaffinity(0)
    first = min(before)
    with running_on((first,)):
        assert os.sched_getaffinity(0) == {first}
    assert os.sched_getaffinity(0) == before


def test_a_process_is_charged_for_all_its_threads() -> None:
    before = processes.read(os.getpid(), 0.0)
    worker = threading.Thread(target=lambda: sum(range(4_000_000)))
    worker.start()
    worker.join()
    after = processes.read(os.getpid(), 1.0)
    assert before is not None and after is not None
    used = processes.between(before, after)
    assert used.wall_s == 1.0
    assert used.cpu_s > 0
    assert used.rss_bytes > 2**20


def test_a_process_that_is_gone_is_none() -> None:
    assert processes.read(2**22 + 1, 0.0) is None
