"""The study: contradictions, fits, predictors, keepalive."""

import pytest

from sfukit.probe.natlab import keepalive, predictors, study


def test_the_claimed_figures_contradict_each_other() -> None:
    said = study.contradiction()
    assert said.success_plus_relayed > 1
    assert said.others_before_if_only_they_gained > 1
    assert said.others_gained_at_least == pytest.approx(0.125, abs=0.001)


@pytest.mark.parametrize("target", ["success", "symmetric"])
def test_no_mix_meets_both_claims(target: str) -> None:
    fitted = study.fit(target, 500, 1)
    before, after = fitted.totals[0], fitted.totals[2]
    assert before.direct == pytest.approx(study.SUCCESS[0], abs=1e-6)
    assert before.symmetric_direct == pytest.approx(study.SYMMETRIC[0], abs=1e-6)
    assert after.symmetric_direct is not None
    met = {
        "success": after.direct == pytest.approx(study.SUCCESS[1], abs=1e-3),
        "symmetric": after.symmetric_direct == pytest.approx(study.SYMMETRIC[1], abs=1e-3),
    }
    assert met.pop(target)
    assert not any(met.values())


def test_only_sequential_nats_give_a_gain() -> None:
    points = {(p.symmetric, p.sequential): p for p in study.landscape(4, 300, 1)}
    assert points[0.5, 0.0].after - points[0.5, 0.0].before < 0.01
    assert points[0.5, 1.0].after - points[0.5, 1.0].before == pytest.approx(0.75)
    assert points[0.0, 1.0].before == 1.0


def test_no_estimator_beats_the_likeliest_port() -> None:
    for allocator in predictors.ALLOCATORS:
        for scored in predictors.score(allocator, 4000, 1):
            assert scored.exact_low <= scored.best + 0.001
    alone = predictors.score("in a row, alone", 500, 1)
    assert {scored.exact for scored in alone} == {1.0}
    assert all(scored.exact < 0.01 for scored in predictors.score("random", 500, 1))


def test_the_incident_is_forgotten_mappings() -> None:
    """With the articles' own backoff, where mappings live for 50 and for 93 s."""
    for lifetime_s, claimed in zip((50, 93), study.INCIDENT, strict=True):
        kept = keepalive.simulate("backoff, 5 to 120 s", lifetime_s, 500, 1)
        measured = study.stale_mappings(1 - kept.reachable, 20_000, 1).direct
        assert measured == pytest.approx(claimed, abs=0.02)
    assert study.stale_mappings(0.0, 1000, 1).direct == 1.0


def test_the_long_backoff_outlives_common_lifetimes() -> None:
    thirty = keepalive.simulate("backoff, 5 to 120 s", 30, 200, 1)
    assert 0.2 < thirty.reachable < 0.3
    assert thirty.unbroken == 0.0
    two_minutes = keepalive.simulate("backoff, 5 to 120 s", 120, 200, 1)
    assert two_minutes.reachable > 0.95
    assert two_minutes.unbroken == 0.0  # the jitter goes beyond 120 s sooner or later
    for lifetime_s in (20, 30, 120):
        capped = keepalive.simulate("capped, min(25 s, half)", lifetime_s, 200, 1)
        assert (capped.reachable, capped.unbroken) == (1.0, 1.0)
