"""Settling is told from switching by an instant."""

import pytest

from sfukit.loadgen.metrics.ledger import Ledger
from sfukit.loadgen.options import LoadOptions
from sfukit.loadgen.scenario import plan
from sfukit.swarm.messages import EncodingChanged, FirstFrame

_NS_PER_S = 1_000_000_000


def heard(*changes_s: float) -> Ledger:
    """Return a ledger with a first frame after 1 s, then encoding changes."""
    ledger = Ledger(plan(LoadOptions(clients=2, seed=1)))
    ledger.on_event(FirstFrame(stream=7, at_ns=_NS_PER_S))
    for at_s in changes_s:
        ledger.on_event(EncodingChanged(stream=7, encoding_index=1, at_ns=round(at_s * _NS_PER_S)))
    return ledger


@pytest.mark.parametrize(
    ("changes_s", "settled_ms"),
    [((), 0.0), ((2.0, 3.5), 2500.0), ((2.0, 9.0), 1000.0), ((9.0,), 0.0)],
)
def test_a_stream_has_settled_with_its_last_change_before_the_window(
    changes_s: tuple[float, ...], settled_ms: float
) -> None:
    assert heard(*changes_s).settled_ms(7, before_ns=6 * _NS_PER_S) == settled_ms


def test_a_stream_that_never_came_never_settled() -> None:
    assert heard().settled_ms(8, before_ns=_NS_PER_S) is None
