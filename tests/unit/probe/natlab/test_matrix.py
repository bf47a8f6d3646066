"""The reference matrix, seeds, and the rules behind single cells."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfukit.probe.natlab import matrix, punching
from sfukit.probe.natlab.conditions import Conditions, Mix
from sfukit.probe.natlab.interval import wilson
from sfukit.probe.natlab.kinds import KINDS, MATRIX_KINDS, kind_of
from sfukit.probe.natlab.strategy_names import MATRIX_STRATEGIES, Strategy

QUIET = Conditions()
FIVE = [KINDS[name] for name in MATRIX_KINDS]


def rate(strategy: Strategy, a: str, b: str, around: Conditions = QUIET, runs: int = 2000) -> float:
    return matrix.cell(strategy, kind_of(a, ""), kind_of(b, ""), around, runs, 1).direct


def unmet(strategy: Strategy) -> set[tuple[str, str]]:
    cells = matrix.cells(FIVE, [strategy], QUIET, 1000, 1)
    return {(cell.a, cell.b) for cell in cells if cell.direct < 0.5}


def test_the_reference_matrix() -> None:
    """The measurements with real NATs: 10, 12 and 13 pairs of 15."""
    hard = {
        ("port-restricted", "symmetric-sequential"),
        ("port-restricted", "symmetric-random"),
        ("symmetric-sequential", "symmetric-sequential"),
        ("symmetric-sequential", "symmetric-random"),
        ("symmetric-random", "symmetric-random"),
    }
    assert unmet("punch") == hard
    predictable = {
        ("port-restricted", "symmetric-sequential"),
        ("symmetric-sequential", "symmetric-sequential"),
    }
    assert unmet("predict") == hard - predictable
    assert unmet("birthday") == hard - predictable - {("port-restricted", "symmetric-random")}


def test_a_seed_gives_one_table_for_any_set_of_kinds() -> None:
    once, again = (list(matrix.cells(FIVE, ["birthday"], QUIET, 500, 7)) for _ in range(2))
    assert once == again
    among_others = list(matrix.cells(FIVE[1:], ["punch", "birthday"], QUIET, 500, 7))
    assert set(among_others) & set(once) == {cell for cell in once if cell.a != "full-cone"}
    assert list(matrix.cells(FIVE, ["birthday"], QUIET, 500, 8)) != once


def test_the_matrix_has_every_pair_under_every_strategy() -> None:
    cells = list(matrix.cells(FIVE, MATRIX_STRATEGIES, QUIET, 100, 1))
    assert len(set(cells)) == 15 * len(MATRIX_STRATEGIES) == 60


def test_birthday_as_computed_by_hand() -> None:
    """1 - C(64256, 1024) / C(64512, 1024) = 98.3 %, and two random NATs stay apart."""
    assert rate("birthday", "port-restricted", "symmetric-random", runs=20_000) == pytest.approx(
        0.983, abs=0.004
    )
    assert rate("birthday", "symmetric-random", "symmetric-random", runs=20_000) < 0.002


@pytest.mark.parametrize(
    ("a", "b", "met"),
    [
        (
            "APDM/EIF/random",
            "port-restricted",
            False,
        ),  # lets anything in, but answers from a third port
        ("APDM/EIF/random", "address-restricted", True),
        ("APDM/ADF/random", "address-restricted", True),
        ("APDM/ADF/random", "port-restricted", False),
        ("ADM/EIF/random", "address-restricted", True),
        ("ADM/APDF/random", "address-restricted", True),
        ("ADM/APDF/random", "port-restricted", False),
        ("EIM/APDF/random", "port-restricted", True),
        ("udp-blocked", "full-cone", False),
    ],
)
def test_single_rules(a: str, b: str, met: bool) -> None:
    assert rate("punch", a, b) == pytest.approx(float(met), abs=0.01)


def test_hairpin_decides_behind_one_nat() -> None:
    for name, met in (("full-cone", 0.0), ("hairpin", 1.0)):
        kind = KINDS[name]
        assert matrix.cell("punch", kind, kind, QUIET, 100, 1, same_nat=True).direct == met


def test_others_spoil_the_prediction_of_two_sequential_nats_first() -> None:
    busy = Conditions(cross_traffic_per_s=10)
    assert rate("predict", "port-restricted", "symmetric-sequential", busy) > 0.95
    assert 0.3 < rate("predict", "symmetric-sequential", "symmetric-sequential", busy) < 0.7


def test_loss_is_survived_by_repeating() -> None:
    assert rate("punch", "port-restricted", "port-restricted", Conditions(loss=0.3)) > 0.99
    assert rate("punch", "port-restricted", "port-restricted", Conditions(loss=0.95)) < 0.5


def test_a_relay_connects_all_pairs_and_later_as_second_stage() -> None:
    pair = (KINDS["symmetric-random"], KINDS["udp-blocked"])
    beside, after = (
        matrix.cell(name, *pair, QUIET, 1000, 1)
        for name in ("turn", "staged")  # type: ignore[arg-type]
    )
    assert beside.connected == after.connected == 1.0
    assert beside.direct == after.direct == 0.0
    assert after.time_ms_p50 is not None and beside.time_ms_p50 is not None
    assert after.time_ms_p50 > 3000 > beside.time_ms_p50


def test_the_stack_relays_only_on_terrible_paths() -> None:
    pair = (KINDS["port-restricted"], KINDS["symmetric-random"])
    usual = matrix.cell("stack", *pair, QUIET, 1000, 1)
    terrible = matrix.cell("stack", *pair, Conditions(loss=0.2, rtt_ms=2000), 1000, 1)
    assert usual.relayed == 0.0
    assert terrible.relayed > 0.9


def test_forgotten_mappings_matter_where_ports_are_not_preserved() -> None:
    stale = Conditions(stale=0.5)
    assert rate("punch", "port-restricted", "port-restricted", stale) == 1.0
    both_kept = rate("punch", "eim-not-preserving", "eim-not-preserving", stale, runs=20_000)
    assert both_kept == pytest.approx(0.25, abs=0.02)


def test_totals_weigh_pairs_and_bound_the_simulation() -> None:
    mix = Mix({"port-restricted": 0.6, "symmetric-random": 0.4})
    cells = list(matrix.cells(mix.kinds, ["punch"], QUIET, 200, 1))
    total = matrix.total(cells, mix, "punch")
    assert total.direct == pytest.approx(0.36)
    assert total.symmetric_pairs == pytest.approx(0.64)
    assert total.symmetric_direct == 0.0
    assert total.relay_share == 0.0


KIND_NAMES = [
    "/".join(parts)
    for parts in itertools.product(
        ("EIM", "ADM", "APDM"), ("EIF", "ADF", "APDF"), ("preserving", "sequential", "random")
    )
]


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(KIND_NAMES), st.sampled_from(KIND_NAMES), st.sampled_from(["punch", "predict"])
)
def test_a_pair_is_the_same_from_either_end(a: str, b: str, strategy: Strategy) -> None:
    assert rate(strategy, a, b, runs=1000) == pytest.approx(
        rate(strategy, b, a, runs=1000), abs=0.05
    )


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(KIND_NAMES), st.sampled_from(KIND_NAMES))
def test_a_laxer_filter_never_hurts(a: str, b: str) -> None:
    mapping, _, allocation = a.split("/")
    strict, middle, lax = (
        rate("punch", f"{mapping}/{filtering}/{allocation}", b, runs=500)
        for filtering in ("APDF", "ADF", "EIF")
    )
    assert strict <= middle + 0.02 <= lax + 0.04


@given(st.integers(0, 500), st.integers(1, 500))
def test_intervals_hold_the_share(hits: int, runs: int) -> None:
    hits = min(hits, runs)
    low, high = wilson(hits, runs)
    assert 0 <= low <= hits / runs <= high <= 1


def test_the_window_follows_the_least_step() -> None:
    samples = np.array([[4100, 4102, 4104, 4110, 4112], [60000, 60000, 60000, 60000, 60000]])
    tried = punching.window(samples)
    assert list(tried[0, :3]) == [4114, 4116, 4118]
