"""`sfukit serve`: parse the options, start the server, print its URLs."""

import os
import sys
import time
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import typer

from sfukit.cli import serve_options as options
from sfukit.cli.examples import examples
from sfukit.cli.option import choice
from sfukit.config import TURN_SECRET, secret
from sfukit.errors import UsageError
from sfukit.units import bitrate_bps, duration_s

if TYPE_CHECKING:
    from sfukit.server.run import Ready

app = typer.Typer(add_completion=False)

_LEAST_TTL_S, _MOST_TTL_S = 60, 7 * 86_400


# One parameter per option is what typer reads.
@app.command(
    epilog=examples(
        "sfukit serve --open",
        "sfukit serve --http 0.0.0.0:7080 --api-key KEY --api-secret @secret.txt",
        "sfukit serve --turn turn:turn.example --turn-secret @turn-secret.txt",
        "sfukit serve --max-publish-bitrate 2.5M --workers 2 --stun",
    ),
)
def serve(
    http: options.Http = None,
    metrics: options.MetricsHttp = None,
    udp_port: options.UdpPort = None,
    workers: options.Workers = None,
    advertise: options.Advertise = None,
    interface: options.Interface = None,
    tls_cert: options.TlsCert = None,
    tls_key: options.TlsKey = None,
    api_key: options.ApiKey = None,
    api_secret: options.ApiSecret = None,
    dev: options.Dev = None,
    allow_origin: options.AllowOrigin = None,
    trusted_proxy: options.TrustedProxy = None,
    http_prefix: options.HttpPrefix = None,
    end_at_exp: options.EndAtExp = None,
    stun: options.Stun = None,
    bwe: options.Bwe = None,
    srtp: options.Srtp = None,
    coalesce: options.Coalesce = None,
    pad: options.Pad = None,
    nack_ttl: options.NackTtl = None,
    max_publish_bitrate: options.MaxPublishBitrate = None,
    max_subscription_bitrate: options.MaxSubscriptionBitrate = None,
    last_n: options.LastN = None,
    auto_subscribe: options.AutoSubscribe = None,
    turn: options.Turn = None,
    turn_secret: options.TurnSecret = None,
    turn_ttl: options.TurnTtl = None,
    turn_regions: options.TurnRegions = None,
    max_rooms: options.MaxRooms = None,
    max_participants: options.MaxParticipants = None,
    max_egress: options.MaxEgress = None,
    room_idle: options.RoomIdle = None,
    config: options.Config = None,
    open_page: options.OpenPage = False,
    json_to: options.JsonTo = None,
    log_format: options.LogFormat = "console",
    log_level: options.LogLevel = "info",
) -> None:
    """Run an SFU: rooms over WebSocket, WHIP and WHEP, a demo page, metrics."""
    options_given = {
        "udp_port": udp_port,
        "workers": workers,
        "advertise": advertise or None,
        "interfaces": interface or None,
        "tls_cert": str(tls_cert) if tls_cert else None,
        "tls_key": str(tls_key) if tls_key else None,
        "api_keys": _keys(api_key, api_secret, dev),
        "allowed_origins": allow_origin or None,
        "trusted_proxies": trusted_proxy or None,
        "http_prefix": http_prefix.rstrip("/") if http_prefix else None,
        "end_at_exp": end_at_exp,
        "stun": stun,
        "bwe": bwe,
        "srtp": srtp,
        "coalesce_ms": coalesce,
        "pad": None if pad is None else choice(pad, "--pad", Literal["on", "off"]) == "on",
        "nack_ttl_ms": nack_ttl,
        "max_publish_bitrate_bps": _rate(max_publish_bitrate, "--max-publish-bitrate"),
        "max_subscription_bitrate_bps": _rate(
            max_subscription_bitrate, "--max-subscription-bitrate"
        ),
        "last_n": last_n,
        "auto_subscribe": auto_subscribe,
        "turn": _given(
            servers=turn or None,
            secret=_turn_secret(turn_secret),
            ttl_s=_turn_ttl_s(turn_ttl),
            regions=turn_regions,
        ),
        "limits": _given(
            max_rooms=max_rooms,
            max_participants=max_participants,
            max_egress_bps=_rate(max_egress, "--max-egress"),
        ),
        "timing": _given(room_idle_s=room_idle),
        **_listen(http, metrics),
    }
    _run(
        config,
        _given(**options_given),
        json_to,
        open_page,
        log_format,
        log_level,
        dev is not None,
        {"--turn-secret": turn_secret, "--turn-ttl": turn_ttl, "--turn-regions": turn_regions},
    )


def _run(
    config: Path | None,
    overrides: dict[str, Any],
    json_to: str | None,
    open_page: bool,
    log_format: str,
    log_level: str,
    show_token: bool,
    turn_options: dict[str, str | None],
) -> None:
    started_s = time.monotonic()
    from sfukit import report
    from sfukit.cli.output import Output
    from sfukit.cli.serve_print import page_url, print_ready, ready_json
    from sfukit.server import logs, settings
    from sfukit.server.run import serve as run_server

    logs.configure(
        choice(log_format, "--log", logs.LogFormat),
        choice(log_level, "--log-level", logs.LogLevel),
    )
    chosen = settings.load(config, overrides)
    for name, value in turn_options.items():
        if value is not None and not chosen.turn.servers:
            raise UsageError(f"{name}: no TURN server is given", hint="--turn turn:turn.example")
    output = Output.beside(json_to)

    def announce(ready: "Ready") -> None:
        if json_to is not None:
            report.write_text(json_to, ready_json(ready) + "\n")
        with output.lenient():
            print_ready(output, ready, time.monotonic() - started_s, show_token=show_token)
        if open_page:
            webbrowser.open(page_url(ready))

    run_server(chosen, announce)


def _listen(http: str | None, metrics: str | None) -> dict[str, Any]:
    from sfukit.server.settings import host_and_port

    given: dict[str, Any] = {}
    if http is not None:
        given["http_host"], given["http_port"] = host_and_port(http, "--http")
    if metrics is not None:
        host_and_port(metrics, "--metrics")
        given["metrics_http"] = metrics
    return given


def _keys(key: str | None, secret_text: str | None, dev: str | None) -> dict[str, str] | None:
    """Return the API keys; a key without a secret is an error, never an open server."""
    if dev is not None:
        name, colon, value = dev.partition(":")
        if not (name and colon and value):
            raise UsageError(
                f"--dev {dev}: give KEY:SECRET", hint="for example --dev devkey:secret"
            )
        return {name: value}
    if not key and not secret_text:
        return None
    if not key or not secret_text:
        raise UsageError("--api-key and --api-secret: give both")
    return {key: secret(secret_text, "--api-secret")}


def _turn_secret(given: str | None) -> str | None:
    """Return the secret as given, ``@FILE`` included; warn where a process list shows it."""
    if given is None:
        return os.environ.get(TURN_SECRET)
    if given and not given.startswith("@"):
        print(
            "sfukit: warning: every user of this machine can read --turn-secret in the process "
            f"list\n  put it into a file: --turn-secret @FILE, or into {TURN_SECRET}",
            file=sys.stderr,
        )
    return given


def _turn_ttl_s(text: str | None) -> int | None:
    if text is None:
        return None
    ttl_s = int(duration_s(text, "--turn-ttl"))
    if not _LEAST_TTL_S <= ttl_s <= _MOST_TTL_S:
        raise UsageError(f"--turn-ttl {text}: out of range", hint="give 1m to 168h")
    return ttl_s


def _rate(text: str | None, option: str) -> int | None:
    return None if text is None else bitrate_bps(text, option)


def _given(**options: Any) -> dict[str, Any]:
    """Return the options that were given; a file or the default decides on the others."""
    return {name: value for name, value in options.items() if value not in (None, {})}
