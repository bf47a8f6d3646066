"""Format parameters are read by their own grammar; what does not fit is left out."""

import pytest

from sfukit.signaling import format_parameters

SETS = "sprop-parameter-sets=Z0IAH5Y1QKALdCU=,aM48gA=="


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("minptime=10;useinbandfec=1", "minptime=10;useinbandfec=1"),
        (" MinPtime = 10 ;; UseInBandFEC=1 ;", "minptime=10;useinbandfec=1"),
        ("useinbandfec=yes;minptime=1000;stereo=2", ""),
        ("profile-level-id=42E01F", "profile-level-id=42e01f"),
        ("profile-level-id=422001f", "profile-level-id=42e01f"),
        ("profile-level-id=", "profile-level-id=42e01f"),
        ("packetization-mode=3;level-asymmetry-allowed=true", ""),
        (SETS, SETS),
        ("sprop-parameter-sets=Z0 IAH5\u2028", ""),
        ("x-google-start-bitrate=800", "x-google-start-bitrate=800"),
        ("x=a b;y=\u0085;z=\ra=ice-pwd:q;\u2028=1", ""),
        ("a=1;a=2", "a=1"),
        ("0-15", ""),
        ("111/111", ""),
        ("x=" + "y" * 256, "x=" + "y" * 256),
        ("x=" + "y" * 257, ""),
        ("x" * 65 + "=1", ""),
    ],
)  # fmt: skip
def test_only_what_matches_its_grammar_is_kept(text: str, kept: str) -> None:
    assert format_parameters.write(format_parameters.read(text)) == kept


def test_the_number_of_parameters_is_bounded() -> None:
    many = ";".join(f"x{number}=1" for number in range(10_000))
    assert len(format_parameters.read(many)) == 32
