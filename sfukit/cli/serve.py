"""`sfukit serve`: read the options, start the server, say where it is."""

import time
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sfukit.config import secret
from sfukit.errors import UsageError
from sfukit.units import bitrate_bps

if TYPE_CHECKING:
    from sfukit.server.run import Ready

app = typer.Typer(add_completion=False)

_LEVELS = ("debug", "info", "warning", "error")
_RUN, _MEDIA, _LIMITS, _ACCESS = "Listen", "Media", "Limits", "Access"


@app.command()
def serve(
    http: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            rich_help_panel=_RUN,
            help="HTTP and WebSocket; default 127.0.0.1:7080, port 0 takes a free one",
        ),
    ] = None,
    udp_port: Annotated[
        int | None,
        typer.Option(
            min=0, max=65535, rich_help_panel=_RUN, help="media; default 7081, 0 takes a free one"
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=64,
            rich_help_panel=_RUN,
            help="media threads, each with a UDP port of its own in a row",
        ),
    ] = None,
    advertise: Annotated[
        list[str] | None,
        typer.Option(
            metavar="IP",
            rich_help_panel=_RUN,
            help="tell this address to peers instead of the machine's own",
        ),
    ] = None,
    interface: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", rich_help_panel=_RUN, help="tell only the addresses of this interface"
        ),
    ] = None,
    tls_cert: Annotated[
        Path | None,
        typer.Option(
            metavar="PEM", rich_help_panel=_RUN, help="serve HTTPS with this certificate chain"
        ),
    ] = None,
    tls_key: Annotated[
        Path | None,
        typer.Option(
            metavar="PEM", rich_help_panel=_RUN, help="its private key, if not in the same file"
        ),
    ] = None,
    api_key: Annotated[
        str | None,
        typer.Option(
            envvar="SFUKIT_API_KEY",
            rich_help_panel=_ACCESS,
            help="ask for tokens signed under this key",
        ),
    ] = None,
    api_secret: Annotated[
        str | None,
        typer.Option(
            envvar="SFUKIT_API_SECRET", rich_help_panel=_ACCESS, help="the key's secret, or @FILE"
        ),
    ] = None,
    dev: Annotated[
        str | None,
        typer.Option(
            metavar="KEY:SECRET",
            rich_help_panel=_ACCESS,
            help="fixed test keys; prints a link with a token",
        ),
    ] = None,
    allow_origin: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ORIGIN",
            rich_help_panel=_ACCESS,
            help="let pages from there use this server; * lets all",
        ),
    ] = None,
    bwe: Annotated[
        str | None,
        typer.Option(
            metavar="none|loss-rtt",
            rich_help_panel=_MEDIA,
            help="what chooses encodings; default none: requests alone",
        ),
    ] = None,
    srtp: Annotated[
        str | None,
        typer.Option(
            metavar="auto|gcm128|cm80", rich_help_panel=_MEDIA, help="SRTP profiles to agree to"
        ),
    ] = None,
    coalesce: Annotated[
        int | None,
        typer.Option(
            metavar="MS",
            min=0,
            max=20,
            rich_help_panel=_MEDIA,
            help="let packets wait this long for others, to send them in runs; default 5, 0: off",
        ),
    ] = None,
    pad: Annotated[
        str | None,
        typer.Option(
            metavar="on|off",
            rich_help_panel=_MEDIA,
            help="pad packets where that makes longer runs; default on",
        ),
    ] = None,
    nack_ttl: Annotated[
        int | None,
        typer.Option(
            metavar="MS",
            min=0,
            rich_help_panel=_MEDIA,
            help="keep packets for retransmission this long; default by the RTT",
        ),
    ] = None,
    max_publish_bitrate: Annotated[
        str | None,
        typer.Option(
            metavar="RATE", rich_help_panel=_MEDIA, help="ask publishers for no more, such as 2.5M"
        ),
    ] = None,
    auto_subscribe: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=0,
            max=30,
            rich_help_panel=_MEDIA,
            help="publications of a kind that a participant gets unasked; default 25",
        ),
    ] = None,
    max_rooms: Annotated[int | None, typer.Option(min=1, rich_help_panel=_LIMITS)] = None,
    max_participants: Annotated[int | None, typer.Option(min=1, rich_help_panel=_LIMITS)] = None,
    max_egress: Annotated[
        str | None,
        typer.Option(
            metavar="RATE",
            rich_help_panel=_LIMITS,
            help="take nobody in while more is sent, such as 800M",
        ),
    ] = None,
    room_idle: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            min=0,
            rich_help_panel=_LIMITS,
            help="close an empty room after this; default 60",
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(metavar="TOML", help="read settings from a file; options come before it"),
    ] = None,
    open_page: Annotated[
        bool, typer.Option("--open", help="open the demo page in the browser")
    ] = False,
    json_to: Annotated[
        str | None,
        typer.Option(
            "--json",
            metavar="FILE",
            help="write where the server is, once it is ready; - is standard output",
        ),
    ] = None,
    log_format: Annotated[
        str, typer.Option("--log", metavar="console|json", help="how log lines look")
    ] = "console",
    log_level: Annotated[
        str, typer.Option(metavar="debug|info|warning|error", help="which log lines there are")
    ] = "info",
) -> None:
    """Run an SFU: rooms over WebSocket, WHIP and WHEP, a demo page, metrics."""
    options = {
        "udp_port": udp_port,
        "workers": workers,
        "advertise": advertise or None,
        "interfaces": interface or None,
        "tls_cert": str(tls_cert) if tls_cert else None,
        "tls_key": str(tls_key) if tls_key else None,
        "api_keys": _keys(api_key, api_secret, dev),
        "allowed_origins": allow_origin or None,
        "bwe": bwe,
        "srtp": srtp,
        "coalesce_ms": coalesce,
        "pad": None if pad is None else _choice(pad, "on", "off") == "on",
        "nack_ttl_ms": nack_ttl,
        "max_publish_bitrate_bps": _rate(max_publish_bitrate, "--max-publish-bitrate"),
        "auto_subscribe": auto_subscribe,
        "limits": _given(
            max_rooms=max_rooms,
            max_participants=max_participants,
            max_egress_bps=_rate(max_egress, "--max-egress"),
        ),
        "timing": _given(room_idle_s=room_idle),
        **_listen(http),
    }
    _run(config, _given(**options), json_to, open_page, log_format, log_level, dev is not None)


def _run(
    config: Path | None,
    options: dict[str, Any],
    json_to: str | None,
    open_page: bool,
    log_format: str,
    log_level: str,
    show_token: bool,
) -> None:
    started_s = time.monotonic()
    from sfukit.cli.output import Output
    from sfukit.cli.serve_print import page_url, print_ready, ready_json
    from sfukit.server import logs, settings
    from sfukit.server.run import serve as run_server

    logs.configure(_choice(log_format, "console", "json"), _choice(log_level, *_LEVELS))
    chosen = settings.load(config, options)
    output = Output.beside(json_to)

    def announce(ready: "Ready") -> None:
        if json_to is not None:
            _write(json_to, ready_json(ready))
        print_ready(output, ready, time.monotonic() - started_s, show_token=show_token)
        if open_page:
            webbrowser.open(page_url(ready))

    run_server(chosen, announce)


def _write(destination: str, text: str) -> None:
    if destination == "-":
        print(text, flush=True)
    else:
        Path(destination).write_text(text + "\n", encoding="utf-8")


def _listen(http: str | None) -> dict[str, Any]:
    if http is None:
        return {}
    host, colon, port = http.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:
        raise UsageError(f"--http {http}: give HOST:PORT", hint="for example --http 127.0.0.1:7080")
    return {"http_host": host.strip("[]") or "127.0.0.1", "http_port": int(port)}


def _keys(key: str | None, secret_text: str | None, dev: str | None) -> dict[str, str] | None:
    """Collect the keys; half a key is an error, never an open server."""
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
        raise UsageError("--api-key and --api-secret go together")
    return {key: secret(secret_text, "--api-secret")}


def _rate(text: str | None, option: str) -> int | None:
    return None if text is None else bitrate_bps(text, option)


def _choice(text: str, *allowed: str) -> Any:
    if text not in allowed:
        raise UsageError(f"{text}: choose one of {', '.join(allowed)}")
    return text


def _given(**options: Any) -> dict[str, Any]:
    """Drop what was not said, so that a file or the default decides."""
    return {name: value for name, value in options.items() if value not in (None, {})}
