"""`sfukit serve`: its options, what it says when ready, what it refuses."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import structlog

from sfukit.cli import serve_print
from sfukit.cli.app import main
from sfukit.cli.output import Output
from sfukit.errors import ExitCode, MachineError
from sfukit.server.mock_engine import MockEngine
from sfukit.server.run import Ready
from sfukit.server.server_context import ServerContext
from sfukit.server.settings import Settings, Turn

SECRET = "a-secret-of-at-least-thirty-two-bytes"
READY_FIELDS = ["schema", "tool", "version", "command", "verdict", "exit_code"]


@pytest.fixture(autouse=True)
def logs_as_before() -> Iterator[None]:
    """Take back what the command does to the logs of this process."""
    yield
    structlog.reset_defaults()


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """The settings that servers were started with; none really runs."""
    seen: list[Settings] = []
    monkeypatch.setattr("sfukit.server.run.serve", lambda settings, _ready: seen.append(settings))
    return seen


async def ready(**changes: Any) -> Ready:
    settings = msgspec.structs.replace(Settings(advertise=("192.0.2.7",)), **changes)
    return Ready(ServerContext(settings, MockEngine()), settings.http_host, 7080)


async def test_the_text_of_a_server_that_is_ready(capsys: pytest.CaptureFixture[str]) -> None:
    serve_print.print_ready(Output(), await ready(), 0.25, show_token=False)
    lines = capsys.readouterr().out.splitlines()
    said = {line[:9].strip(): line[9:].strip() for line in lines if line[:1].isalpha()}
    assert lines[0].startswith("sfukit 0.1.0  ready in 0.25 s  pid ")
    assert said["page"] == "http://127.0.0.1:7080/"
    assert said["publish"] == "WHIP http://127.0.0.1:7080/whip/ROOM"
    assert said["media"] == "UDP 7081 on 192.0.2.7; open it in the firewall"
    assert said["load"] == "sfukit loadtest http://127.0.0.1:7080 --clients 100"
    assert "sfukit serve --http 0.0.0.0:7080 --api-key" in said["remote"]
    assert "rmem_max=8388608" in said["kernel"]
    assert any("OBS: Settings, Stream, Service WHIP" in line for line in lines)


async def test_turn_servers_are_in_the_text(capsys: pytest.CaptureFixture[str]) -> None:
    turn = Turn(("turn:turn.example", "turns:turn.example"), SECRET)
    serve_print.print_ready(Output(), await ready(turn=turn), 0.25, show_token=False)
    said = capsys.readouterr().out
    assert "turn     turn:turn.example\n         turns:turn.example\n" in said
    assert SECRET not in said


async def test_the_page_url_has_a_token_where_keys_are_set(
    capsys: pytest.CaptureFixture[str],
) -> None:
    keyed = await ready(api_keys={"devkey": SECRET}, http_host="0.0.0.0")
    serve_print.print_ready(Output(), keyed, 0.25, show_token=True)
    said = capsys.readouterr().out
    assert "http://127.0.0.1:7080/?access_token=ey" in said
    assert SECRET not in said
    serve_print.print_ready(Output(), keyed, 0.25, show_token=False)
    assert "access_token" not in capsys.readouterr().out


async def test_the_json_is_one_line() -> None:
    text = serve_print.ready_json(await ready())
    assert "\n" not in text
    content = msgspec.json.decode(text)
    assert list(content)[:6] == READY_FIELDS
    assert (content["command"], content["http_port"], content["udp_ports"]) == (
        "serve",
        7080,
        [7081],
    )
    assert content["ws"] == "ws://127.0.0.1:7080/ws"


def test_options_become_settings(started: list[Settings], tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    config = tmp_path / "serve.toml"
    config.write_text("auto_subscribe = 7\nudp_port = 1\n")
    arguments = "--http [::1]:0 --udp-port 0 --workers 2 --bwe none --srtp gcm128 --coalesce 0"
    arguments += " --pad off --nack-ttl 500 --max-publish-bitrate 2.5M --max-rooms 3"
    arguments += (
        " --max-egress 1G --room-idle 5 --advertise 192.0.2.1 --allow-origin https://a.example"
        " --trusted-proxy 10.0.0.0/8 --trusted-proxy ::1 --http-prefix /sfu/"
    )
    arguments += " --end-at-exp"
    arguments += f" --api-key key --api-secret @{secret} --config {config} --log-level error"
    assert main(["serve", *arguments.split()]) == ExitCode.OK
    settings = started[0]
    assert (settings.http_host, settings.http_port, settings.udp_port) == ("::1", 0, 0)
    assert (settings.workers, settings.bwe, settings.srtp) == (2, "none", "gcm128")
    assert (settings.coalesce_ms, settings.pad, settings.nack_ttl_ms) == (0, False, 500)
    assert settings.max_publish_bitrate_bps == 2_500_000
    assert (settings.limits.max_rooms, settings.limits.max_egress_bps) == (3, 10**9)
    assert (settings.timing.room_idle_s, settings.auto_subscribe) == (5.0, 7)
    assert settings.api_keys == {"key": SECRET}
    assert settings.trusted_proxies == ("10.0.0.0/8", "::1")
    assert settings.http_prefix == "/sfu"
    assert settings.advertise == ("192.0.2.1",)
    assert settings.end_at_exp


def test_turn_options_become_settings(
    started: list[Settings], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "regions.txt"
    arguments = (
        "--turn turn:a;region=eu --turn turns:b --turn-secret @turn-secret.txt --turn-ttl 10m"
    )
    assert main(["serve", *arguments.split(), "--turn-regions", str(table)]) == ExitCode.OK
    turn = started[0].turn
    assert turn.servers == ("turn:a;region=eu", "turns:b")
    assert (turn.secret, turn.ttl_s, turn.regions) == ("@turn-secret.txt", 600, str(table))
    assert not capsys.readouterr().err


def test_a_turn_secret_in_the_command_line_warns(
    started: list[Settings], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["serve", "--turn", "turn:a", "--turn-secret", SECRET]) == ExitCode.OK
    said = capsys.readouterr().err
    assert "every user of this machine can read --turn-secret" in said
    assert "--turn-secret @FILE" in said
    assert "SFUKIT_TURN_SECRET" in said
    assert SECRET not in said
    monkeypatch.setenv("SFUKIT_TURN_SECRET", SECRET)
    assert main(["serve", "--turn", "turn:a"]) == ExitCode.OK
    assert main(["serve"]) == ExitCode.OK
    assert not capsys.readouterr().err
    assert [settings.turn.secret for settings in started] == [SECRET] * 3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("--turn turn:a", "the secret that the TURN server shares is missing"),
        ("--turn http://a --turn-secret @s", "'http://a': this is no TURN URI"),
        ("--turn turn:a --turn-secret @/nowhere", "--turn-secret: cannot read /nowhere"),
        ("--turn turn:a;region=eu --turn-secret @s", "region=eu has no networks"),
        ("--turn turn:a --turn-secret @s --turn-regions /nowhere", "cannot read /nowhere"),
        ("--turn turn:a --turn-secret @s --turn-ttl 59", "--turn-ttl 59: out of range"),
        ("--turn turn:a --turn-secret @s --turn-ttl 8d", "--turn-ttl: cannot read '8d'"),
        ("--turn-secret @s", "--turn-secret: no TURN server is given\n  --turn turn:turn.example"),
        ("--turn-ttl 2h", "--turn-ttl: no TURN server is given"),
        ("--turn-regions s", "--turn-regions: no TURN server is given"),
    ],
)
def test_invalid_turn_options_end_the_start(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    arguments: str,
    said: str,
) -> None:
    monkeypatch.delenv("SFUKIT_TURN_SECRET", raising=False)
    monkeypatch.setattr("sfukit.server.run._engine", lambda _settings: MockEngine())
    monkeypatch.chdir(tmp_path)
    Path("s").write_text(SECRET)
    assert main(["serve", "--http", "127.0.0.1:0", *arguments.split()]) == ExitCode.USAGE
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("--http 7080", "give HOST:PORT"),
        ("--http 127.0.0.1:99999", "give HOST:PORT"),
        ("--dev nocolon", "give KEY:SECRET"),
        ("--api-key alone", "--api-secret: give both"),
        ("--pad maybe", "--pad maybe: unknown value\n  choose one of on, off"),
        ("--bwe bbr", "bwe"),
        ("--srtp des", "srtp"),
        ("--log loud", "--log loud: unknown value\n  choose one of console, json"),
        ("--max-egress fast", "--max-egress"),
        ("--config /nowhere.toml", "nowhere.toml"),
        ("--workers 0", "workers"),
        ("--metrics 9100", "--metrics 9100: give HOST:PORT"),
    ],
)
def test_invalid_options_are_usage_errors(
    started: list[Settings], capsys: pytest.CaptureFixture[str], arguments: str, said: str
) -> None:
    assert main(["serve", *arguments.split()]) == ExitCode.USAGE
    assert said in capsys.readouterr().err
    assert not started


def test_a_public_address_without_keys_is_refused_with_a_fix(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SFUKIT_API_KEY", raising=False)
    assert main(["serve", "--http", "0.0.0.0:7080"]) == ExitCode.USAGE
    said = capsys.readouterr().err
    assert "needs API keys" in said
    assert "sfukit serve --http 0.0.0.0:7080 --api-key NAME --api-secret SECRET" in said


@pytest.fixture
def secrets_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace the start of the server after the checks of its settings."""
    for name in ("SFUKIT_API_KEY", "SFUKIT_API_SECRET"):
        monkeypatch.delenv(name, raising=False)

    def stop(_settings: Settings) -> None:
        raise MachineError("started")

    monkeypatch.setattr("sfukit.server.run._engine", stop)


@pytest.mark.usefixtures("secrets_checked")
@pytest.mark.parametrize(
    ("arguments", "secret", "said"),
    [
        ("--http 0.0.0.0:0", "x" * 31, "has 31 bytes"),
        ("--http 192.0.2.1:0", "short", "has 5 bytes"),
        ("--http [::]:0", "short", "has 5 bytes"),
        ("--http 127.0.0.1:0 --trusted-proxy 10.0.0.0/8", "short", "has 5 bytes"),
        ("--http 0.0.0.0:0", "x" * 32, "started"),
        ("--http 0.0.0.0:0", "ä" * 16, "started"),
        ("--http 127.0.0.1:0", "short", "started"),
        ("--http 127.0.0.2:0", "short", "started"),
        ("--http [::1]:0", "short", "started"),
        ("--http localhost:0", "short", "started"),
        ("--http 127.0.0.1:0", "@empty", "is empty"),
        ("--http 127.0.0.1:0", "", "give both"),
    ],
)
def test_weak_secrets_are_refused_beyond_loopback(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: str, secret: str, said: str
) -> None:
    if secret == "@empty":
        (tmp_path / "empty").write_text(" \n")
        secret = f"@{tmp_path / 'empty'}"
    options = [*arguments.split(), "--api-key", "key", "--api-secret", secret]
    assert main(["serve", *options]) == ExitCode.USAGE
    error = capsys.readouterr().err
    assert said in error
    assert secret not in error or secret in ("", f"@{tmp_path / 'empty'}")
    if "bytes" in said:
        assert "secrets.token_hex(32))' > secret.txt" in error


@pytest.mark.usefixtures("secrets_checked")
def test_an_empty_secret_in_the_file_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    config = tmp_path / "serve.toml"
    config.write_text('[api_keys]\nkey = ""\n')
    assert main(["serve", "--http", "127.0.0.1:0", "--config", str(config)]) == ExitCode.USAGE
    assert "the secret of API key key is empty" in capsys.readouterr().err


async def test_the_metrics_url_is_that_of_the_separate_listener() -> None:
    apart = await ready(metrics_http="0.0.0.0:9100")
    apart = apart._replace(metrics_host="0.0.0.0", metrics_port=9100)
    content = msgspec.json.decode(serve_print.ready_json(apart))
    assert content["metrics"] == "http://127.0.0.1:9100/metrics"
