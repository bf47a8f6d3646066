"""Networks over time: the file, the network of each client at each time."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfukit.errors import UsageError
from sfukit.loadgen.options import Group, LoadOptions, Phase
from sfukit.loadgen.scenario import network_at, plan
from sfukit.loadgen.scenario_file.phases import parse, read
from sfukit.swarm import network_presets
from sfukit.swarm.impairment import Impairment
from tests.unit.loadgen.faulty_files import check_refusal

DOWN = Impairment(rate_bps=4_000_000, delay_ms=20, shared=2)
RUN = (None, DOWN)
GROUPS = (
    Group(name="viewers", clients=2, net_up=Impairment(loss=0.01)),
    Group(name="panel", clients=2),
)


@pytest.mark.parametrize(
    ("text", "says", "remedy"),
    [
        ("", "p.toml: no phase", "[[phase]]"),
        ("[[phase]]\nnet = '3g'", "p.toml:1: phase[1]: a phase without at", 'at = "20s"'),
        ("[[phase]]\nat = 20", "p.toml:2: phase[1].at = 20: wrong type", "'60s'"),
        ("[[phase]]\nat = '20x'", "p.toml:2: phase[1].at: cannot read '20x'", "60s, 1m or 250ms"),
        (
            "[[phase]]\nat = '9s'\n[[phase]]\nat = '9s'",
            "p.toml:4: phase[2].at = '9s': not after",
            "order of time",
        ),
        ("[[phase]]\nat = '1s'\nnet = 'x'", "p.toml:3: phase[1].net = 'x': unknown", "3g, sat"),
        ("[[phase]]\nat = '1s'\nrate = '1M'", "p.toml:3: phase[1].rate: unknown key", "at"),
        ("[[phases]]\nat = '1s'", "p.toml:1: phases: unknown key", "nearest: phase"),
        ("[phase]\nat = '1s'", "p.toml:1: phase: no list of tables", "[[phase]]"),
        (
            "[[phase]]\nat = '1s'\ngroup = 'x'",
            "p.toml:3: phase[1].group = 'x': no such group",
            "there is: viewers, panel",
        ),
        (
            "[[phase]]\nat = '1s'\nnet_up = 'queue=1s'",
            "p.toml:3: phase[1].net_up: a queue without a rate",
            "rate=2M",
        ),
        (
            "[[phase]]\nat = '1s'\nnet_down = 'shared=3'",
            "p.toml:3: phase[1].net_down: shared cannot change",
            "--net-down",
        ),
        ("[[phase]]\nat = '1s'\nnet_up = 'lag=1'", "phase[1].net_up: nothing is called", "delay"),
        ("[[phase", "p.toml:1: ", "toml.io"),
    ],
)
def test_an_error_names_file_line_key_and_remedy(text: str, says: str, remedy: str) -> None:
    check_refusal(lambda: parse(text, "p.toml", RUN, GROUPS), says, remedy)


def test_a_phase_differs_from_the_network_of_the_run() -> None:
    text = """
        [[phase]]
        at = "5s"
        net_down = "rate=1M"
        [[phase]]
        at = "9s"
        net = "3g"
        net_up = "loss=1%"
        [[phase]]
        at = "12s"
        net = "none"
        [[phase]]
        at = "1s"
        group = "viewers"
        net_up = "delay=7ms"
    """
    slow, mobile, free, of_group = parse(text, "p.toml", RUN, GROUPS)
    assert slow == Phase(5.0, None, Impairment(rate_bps=1_000_000, delay_ms=20, shared=2))
    up, down = network_presets.directions("3g", "loss=1%", None, ("", "", ""))
    assert mobile.net_up == up
    assert down is not None
    assert mobile.net_down is not None
    assert (mobile.net_down.rate_bps, mobile.net_down.shared) == (down.rate_bps, 2)
    assert free == Phase(12.0, None, None)
    assert of_group == Phase(1.0, Impairment(loss=0.01, delay_ms=7), None, "viewers")


def test_the_network_of_a_client_follows_its_phases() -> None:
    phases = (
        Phase(5.0, None, Impairment(delay_ms=1)),
        Phase(3.0, Impairment(delay_ms=2), None, "viewers"),
        Phase(9.0, None, None),
    )
    options = LoadOptions(groups=GROUPS, net_down=DOWN, phases=phases, duration_s=30, seed=1)
    whole = plan(options)
    viewer, panel = whole.slots[0], whole.slots[2]
    assert [network_at(viewer, options, at_s) for at_s in (0, 2.9, 3, 20)] == [
        (Impairment(loss=0.01), None),
        (Impairment(loss=0.01), None),
        (Impairment(delay_ms=2), None),
        (Impairment(delay_ms=2), None),
    ]
    assert [network_at(panel, options, at_s)[1] for at_s in (0, 5, 9)] == [
        DOWN,
        Impairment(delay_ms=1),
        None,
    ]


def test_a_client_that_only_a_phase_impairs_is_impaired() -> None:
    phases = (Phase(5.0, None, Impairment(delay_ms=1)),)
    whole = plan(LoadOptions(clients=4, scenario="broadcast", phases=phases, net_share=0.67))
    assert sum(bot.impaired for bot in whole.slots) == 2
    assert not any(bot.impaired and bot.sends for bot in whole.slots)


def test_a_phase_after_the_end_is_refused() -> None:
    with pytest.raises(UsageError, match="at 50 s is after the end of the run, at 40 s"):
        plan(LoadOptions(clients=1, duration_s=30, phases=(Phase(50.0, None, DOWN),)))


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--phases .*: No such file"):
        read(str(tmp_path / "none.toml"), RUN, ())


@given(st.text(alphabet="[]phaset=\"'1s\nnet_upgrow#", max_size=80))
def test_any_text_parses_or_is_a_usage_error(text: str) -> None:
    try:
        parse(text, "p.toml", RUN, GROUPS)
    except UsageError as refused:
        assert refused.what.startswith("p.toml")
