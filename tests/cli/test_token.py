"""`sfukit token`: make tokens, read tokens."""

from pathlib import Path

import jwt
import msgspec
import pytest

from sfukit.cli.app import main
from sfukit.errors import ExitCode
from sfukit.signaling.token import verify

SECRET = "a-secret-of-at-least-thirty-two-bytes"
KEY = ["--api-key", "key", "--api-secret", SECRET]


def test_a_token_has_the_requested_grants(capsys: pytest.CaptureFixture[str]) -> None:
    wish = (
        "--room demo --identity ann --name Ann --create --no-subscribe --source camera --valid 1h"
    )
    assert main(["token", *wish.split(), *KEY]) == ExitCode.OK
    claims = verify(capsys.readouterr().out.strip(), {"key": SECRET})
    assert (claims.sub, claims.name, claims.video.room) == ("ann", "Ann", "demo")
    assert (claims.video.room_join, claims.video.room_create, claims.video.room_admin) == (
        True,
        True,
        False,
    )
    assert (claims.video.can_publish, claims.video.can_subscribe) == (True, False)
    assert claims.video.can_publish_sources == ["camera"]
    assert claims.exp is not None
    assert claims.nbf is not None
    assert claims.exp - claims.nbf == 3600


def test_a_token_is_decoded_and_verified(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SFUKIT_API_KEY", raising=False)
    secret = tmp_path / "secret"
    secret.write_text(SECRET + "\n")
    assert (
        main(["token", "--identity", "ann", "--api-key", "key", "--api-secret", f"@{secret}"]) == 0
    )
    token = capsys.readouterr().out.strip()
    assert main(["token", "--read", token]) == ExitCode.OK
    said = capsys.readouterr().out
    assert msgspec.json.decode(said[: said.index("}\n}") + 3])["sub"] == "ann"
    assert "signature  not checked" in said
    assert main(["token", "--read", token, *KEY]) == ExitCode.OK
    assert "signature  valid" in capsys.readouterr().out
    assert main(["token", "--read", token, "--api-key", "key", "--api-secret", "x" * 32]) == 0
    assert "signature  token_invalid" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--identity", "ann"], "--api-key and --api-secret are needed"),
        (KEY, "--identity is needed"),
        ([*KEY, "--identity", "a b"], "uid"),
        ([*KEY, "--identity", "a", "--room", "a b"], "room"),
        ([*KEY, "--identity", "a", "--source", "cinema"], "camera"),
        ([*KEY, "--identity", "a", "--valid", "soon"], "--valid"),
        (["--read", "wibble"], "no token"),
        (["--identity", "a", "--api-key", "key", "--api-secret", "@/dev/null"], "is empty"),
    ],
)
def test_invalid_options_are_usage_errors(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    said: str,
) -> None:
    monkeypatch.delenv("SFUKIT_API_KEY", raising=False)
    assert main(["token", *arguments]) == ExitCode.USAGE
    assert said in capsys.readouterr().err


def test_an_expiry_beyond_the_calendar_and_escapes_are_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    token = jwt.encode({"sub": "a\x9b2J", "exp": 10**18}, SECRET, "HS256")
    assert main(["token", "--read", token]) == ExitCode.OK
    said = capsys.readouterr().out
    assert "expires    1000000000000000000 s after 1970" in said
    assert "a\\u009b2J" in said
