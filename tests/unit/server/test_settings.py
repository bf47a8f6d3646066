"""Settings from a file and from the command line."""

from pathlib import Path

import pytest

from sfukit.errors import UsageError
from sfukit.server.settings import Settings, load


def test_the_defaults_are_complete() -> None:
    settings = load(None, {})
    assert settings == Settings()
    assert (settings.http_host, settings.http_port, settings.udp_port) == ("127.0.0.1", 7080, 7081)
    assert settings.engine.workers == 1
    assert settings.engine.bwe == "gcc"


def test_options_override_the_file(tmp_path: Path) -> None:
    file = tmp_path / "serve.toml"
    file.write_text(
        'udp_port = 9000\nbwe = "none"\n[limits]\nmax_rooms = 7\nmax_participants = 9\n'
        '[api_keys]\nkey = "secret"\n[[ice_servers]]\nurl = "stun:s.example"\n'
    )
    settings = load(file, {"udp_port": 9001, "limits": {"max_rooms": 8}, "nack_ttl_ms": 500})
    assert (settings.udp_port, settings.limits.max_rooms) == (9001, 8)
    assert settings.limits.max_participants == 9
    assert settings.engine.bwe == "none"
    assert settings.engine.nack_ttl_ms == 500
    assert settings.ice_servers[0].url == "stun:s.example"


@pytest.mark.parametrize(
    "text", ["udp_port = 'x'", "unknown = 1", "[limits]\nwibble = 1", "bwe = 'bbr'", "not toml"]
)
def test_an_invalid_file_is_named_in_the_error(tmp_path: Path, text: str) -> None:
    file = tmp_path / "serve.toml"
    file.write_text(text)
    with pytest.raises(UsageError, match=r"serve\.toml"):
        load(file, {})


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        load(tmp_path / "absent.toml", {})
