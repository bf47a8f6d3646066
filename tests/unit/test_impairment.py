"""The network impairment of a bot, parsed from one option."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfukit.errors import UsageError
from sfukit.swarm import impairment
from sfukit.swarm.impairment import GilbertElliott, Impairment


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
        ("rate=fast", "--net-up: rate: cannot read 'fast'"),
    ],
)
def test_the_message_names_the_faulty_part(text: str, message: str) -> None:
    with pytest.raises(UsageError) as refused:
        impairment.parse(text, "--net-up")
    assert message in refused.value.what
    assert refused.value.what.startswith("--net-up")


@given(st.text(alphabet="rateloscqudyjig:=,.%0123456789Mkms", max_size=60))
def test_any_text_parses_or_is_a_usage_error(text: str) -> None:
    try:
        impairment.parse(text, "--net-up")
    except UsageError as refused:
        assert refused.what.startswith("--net-up")
