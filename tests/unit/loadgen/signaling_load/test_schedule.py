"""The plan of a signaling load, in virtual time."""

from collections import Counter

import pytest

from sfukit.errors import UsageError
from sfukit.loadgen.signaling_load.schedule import Load, Operation, operations

LOADS = [(5_000, 300.0, 10.0), (500, 300.0, 5.0), (50, 30.0, 5.0), (25, 10.0, 5.0), (52, 10.0, 5.0)]


def load(clients: int, per_s: float, warmup_s: float, seed: int = 7) -> Load:
    """Make a load of 100 s."""
    return Load(clients=clients, per_s=per_s, warmup_s=warmup_s, duration_s=100.0, seed=seed)


def measured(planned: Load) -> list[Operation]:
    """Return the operations of the measured window."""
    return [one for one in operations(planned) if one.due_s >= planned.warmup_s]


@pytest.mark.parametrize(("clients", "per_s", "warmup_s"), LOADS)
def test_the_mix_has_its_shares(clients: int, per_s: float, warmup_s: float) -> None:
    counts = Counter(one.kind for one in measured(load(clients, per_s, warmup_s)))
    total = sum(counts.values())
    assert total == 100 * per_s
    assert counts["join"] + counts["leave"] == pytest.approx(0.2 * total, abs=2)
    assert counts["join"] == pytest.approx(counts["leave"], abs=0.02 * total)
    assert counts["message"] == pytest.approx(0.4 * total, abs=4)
    assert counts["layer"] == pytest.approx(0.3 * total, abs=4)
    assert counts["reoffer"] == pytest.approx(0.1 * total, abs=2)


@pytest.mark.parametrize(("clients", "per_s", "warmup_s"), LOADS)
def test_the_rate_is_constant(clients: int, per_s: float, warmup_s: float) -> None:
    due = [one.due_s for one in operations(load(clients, per_s, warmup_s))]
    assert due == [number / per_s for number in range(len(due))]


@pytest.mark.parametrize(("clients", "per_s", "warmup_s"), LOADS)
def test_every_operation_is_possible_when_it_is_due(
    clients: int, per_s: float, warmup_s: float
) -> None:
    planned = load(clients, per_s, warmup_s)
    joined: dict[int, float] = {}
    for one in operations(planned):
        if one.kind == "join":
            assert one.client not in joined
            assert not planned.is_audience(one.client)
            joined[one.client] = one.due_s
        elif one.kind == "leave":
            # the server ends a membership without media after 30 s
            assert one.due_s - joined.pop(one.client) <= 20
        elif one.kind in ("layer", "reoffer"):
            partner = one.client + (1 if one.client % 5 == 3 else -1)
            for caller in (one.client, partner):
                assert joined[caller] < one.due_s - 1
        elif one.due_s >= warmup_s:  # a message: all five of its room are there
            room = one.client // 5
            assert {5 * room + 3, 5 * room + 4} <= joined.keys()


def test_the_seed_decides() -> None:
    first, again, other = (list(operations(load(50, 30.0, 1.0, seed))) for seed in (1, 1, 2))
    assert first == again
    assert first != other


@pytest.mark.parametrize(
    ("clients", "per_s", "remedy"),
    [(24, 10.0, "-c 25"), (50, 300.0, "--rate 32/s"), (5_000, 3.0, "--rate 4/s")],
)
def test_a_load_that_cannot_be_is_refused(clients: int, per_s: float, remedy: str) -> None:
    with pytest.raises(UsageError) as refused:
        load(clients, per_s, 1.0)
    assert remedy in str(refused.value.hint)
