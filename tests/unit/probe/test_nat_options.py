"""The options of ``nat-probe``."""

import pytest

from sfukit.errors import UsageError
from sfukit.probe.nat import options


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (None, (None, 0)),
        ("192.0.2.1", ("192.0.2.1", 0)),
        ("192.0.2.1:5000", ("192.0.2.1", 5000)),
        ("2001:db8::1", ("2001:db8::1", 0)),
        ("[2001:db8::1]:5000", ("2001:db8::1", 5000)),
        ("0.0.0.0", (None, 0)),
        ("0.0.0.0:5000", (None, 5000)),
        ("::", (None, 0)),
        ("[::]:5000", (None, 5000)),
    ],
)
def test_where_to_send_from(text: str | None, address: tuple[str | None, int]) -> None:
    assert options.bind_address(text) == address


@pytest.mark.parametrize("text", ["", "nowhere", "192.0.2.1:70000", "192.0.2.1:-1", "[::1", ":5"])
def test_invalid_bind_addresses(text: str) -> None:
    with pytest.raises(UsageError):
        options.bind_address(text)
