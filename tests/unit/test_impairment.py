"""The network impairment of a bot, parsed from one option."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfukit.errors import UsageError
from sfukit.swarm import impairment
from sfukit.swarm.impairment import GilbertElliott, Impairment
from sfukit.swarm.messages import Network
from sfukit.swarm.network_presets import PRESETS, directions

DOCUMENT = Path(__file__).parents[2] / "docs" / "impairment.md"
WHERE = ("--net", "--net-up", "--net-down")


def test_every_part_is_read_into_its_unit() -> None:
    text = "rate=2M,delay=50ms,jitter=10ms,loss=1%,queue=200ms"
    assert impairment.parse(text, "--net-up") == Impairment(
        rate_bps=2_000_000, queue_ms=200, delay_ms=50, jitter_ms=10, loss=0.01
    )


def test_a_rate_has_the_default_queue_of_rfc8867() -> None:
    assert impairment.parse("rate=1M", "--net-down").queue_ms == 300


def test_bursts_keep_their_commas() -> None:
    parsed = impairment.parse("loss=ge:1%,30%,0,100%,delay=20ms", "--net-up")
    assert parsed.bursts == GilbertElliott(0.01, 0.3, 0.0, 1.0)
    assert (parsed.loss, parsed.delay_ms) == (0.0, 20)
    assert parsed.bursts is not None
    assert parsed.bursts.mean_loss == pytest.approx(0.01 / 0.31)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lag=5ms", "nothing is called 'lag'"),
        ("delay", "'delay' has no value"),
        ("", "'' has no value"),
        ("delay=5ms,delay=6ms", "given twice"),
        ("loss=200%", "above 100%"),
        ("loss=ge:1%", "needs 2 to 4 numbers"),
        ("loss=ge:0,0", "never changes state"),
        ("queue=300ms", "a queue without a rate"),
        ("shared=5", "shared without a rate"),
        ("loss=90%,burst=4", "a loss of 0.9 in bursts of 4 does not exist"),
        ("loss=100%,burst=4", "does not exist"),
        ("burst=4", "burst without a loss"),
        ("loss=0,burst=4", "burst without a loss"),
        ("loss=1%,burst=0.5", "burst=0.5 is out of range"),
        ("loss=1%,burst=4%", "burst: cannot read '4%'"),
        ("loss=ge:1%,30%,burst=4", "burst contradicts loss=ge:"),
        ("rate=fast", "--net-up: rate: cannot read 'fast'"),
    ],
)
def test_the_message_names_the_faulty_part(text: str, message: str) -> None:
    with pytest.raises(UsageError) as refused:
        impairment.parse(text, "--net-up")
    assert message in refused.value.what
    assert refused.value.what.startswith("--net-up")


@given(st.floats(0.0001, 0.9), st.floats(1, 1000))
def test_a_burst_length_has_the_mean_loss_and_the_length(loss: float, length: float) -> None:
    text = f"loss={loss:.6f},burst={length:.3f}"
    if round(loss, 6) > round(length, 3) / (round(length, 3) + 1):
        with pytest.raises(UsageError, match="does not exist"):
            impairment.parse(text, "--net-up")
        return
    model = impairment.parse(text, "--net-up").bursts
    assert model is not None
    assert 0 < model.p <= 1
    assert model.mean_loss == pytest.approx(round(loss, 6))
    assert 1 / model.r == pytest.approx(round(length, 3))


def test_keys_win_over_a_preset() -> None:
    up, down = directions("lte", None, "loss=3%,delay=10ms", WHERE)
    assert up == impairment.parse(PRESETS["lte"].up, "")
    assert down is not None
    assert (down.rate_bps, down.delay_ms, down.loss, down.bursts) == (12_000_000, 10, 0.03, None)
    _, longer = directions("lte", None, "burst=5", WHERE)
    assert longer is not None
    assert longer.mean_loss == pytest.approx(0.001)
    assert longer.bursts is not None
    assert longer.bursts.r == 0.2
    assert directions(None, None, "delay=1", WHERE) == (None, Impairment(delay_ms=1))


def test_a_queue_completes_the_rate_of_a_preset() -> None:
    up, _ = directions("3g", "queue=1s", None, WHERE)
    assert up is not None
    assert (up.rate_bps, up.queue_ms) == (768_000, 1_000)


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_a_preset_is_documented_as_it_is(name: str) -> None:
    up, down = directions(name, None, None, WHERE)
    assert up is not None
    assert down is not None
    assert up.mean_loss > 0
    assert down.rate_bps is not None
    row = next(
        row for row in DOCUMENT.read_text().splitlines() if row.startswith(f"| `{name}` | `rate")
    )
    assert f"`{PRESETS[name].up}`" in row
    rate = PRESETS[name].down.partition(",")[0]
    assert PRESETS[name].down == f"{rate},{PRESETS[name].up.partition(',')[2]}"
    assert f"`{rate}`, else the same" in row


def test_an_unknown_preset_lists_all_of_them() -> None:
    with pytest.raises(UsageError, match="--net: no network is called 'wifi'") as refused:
        directions("wifi", None, None, WHERE)
    assert refused.value.hint == f"there is: {', '.join(PRESETS)}"


@given(st.text(alphabet="rateloscqudybjig:=,.%0123456789Mkms", max_size=60))
def test_any_text_parses_or_is_a_usage_error(text: str) -> None:
    try:
        impairment.parse(text, "--net-up")
    except UsageError as refused:
        assert refused.what.startswith("--net-up")


@pytest.mark.parametrize("count", ["1", "0", "-3", "x", "2.5", "1000001", "²"])
def test_a_shared_queue_has_a_number_of_bots(count: str) -> None:
    with pytest.raises(UsageError, match="no number of bots behind one queue"):
        impairment.parse(f"rate=4M,shared={count}", "--net-down")
    assert impairment.parse("rate=4M,shared=5", "--net-down").shared == 5


def test_the_swarm_gets_every_parameter() -> None:
    parsed = impairment.parse("rate=4M,queue=1s,shared=5,delay=2ms,loss=1%,burst=2", "--net-down")
    network = Network.of(parsed, 7)
    assert network is not None
    assert (network.bottleneck, Network.of(None, 7)) == (7, None)
    for name in set(Impairment.__struct_fields__) - {"shared"}:
        assert getattr(network, name) == getattr(parsed, name), name
