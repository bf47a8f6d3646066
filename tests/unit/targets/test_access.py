"""What is shown to a target, as it is typed: only what an HTTP header can carry."""

import pytest

from sfukit.errors import UsageError
from sfukit.targets.access import Access, parse_header


@pytest.mark.parametrize("text", ["X-Key: a b", "x-key:a b", " X-Key :  a b "])
def test_a_header_is_read(text: str) -> None:
    name, value = parse_header(text)
    assert (name.lower(), value) == ("x-key", "a b")


@pytest.mark.parametrize(
    "text", ["X", ": v", "Two words: v", "X: ü", "X: a\nb", "X: a\rb", "Ü: v", "X: \x1b[2J"]
)
def test_what_no_header_can_carry_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--header"):
        parse_header(text)


@pytest.mark.parametrize("token", ["", "two words", "tö", "a\nb", '"quoted"'])
def test_what_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(UsageError, match="--token"):
        Access(token=token)


def test_a_token_is_taken() -> None:
    assert Access(token="ey.J-_~+/0==").token == "ey.J-_~+/0=="
