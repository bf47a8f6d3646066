"""The output of `sfukit serve` once it is ready: text for the terminal, and JSON."""

import os
from typing import TYPE_CHECKING

import msgspec
from rich.text import Text

from sfukit import __version__, report
from sfukit.signaling.token import VideoGrants, claims_for, sign

if TYPE_CHECKING:
    from sfukit.cli.output import Output
    from sfukit.server.run import Ready

SCHEMA = report.schema_id("serve")
_TOKEN_VALID_S = 24 * 3600


def ready_json(ready: "Ready") -> str:
    """Return the URLs, ports and addresses of the server as JSON on one line."""
    info = ready.context.engine.info
    return msgspec.json.encode(
        {
            "schema": SCHEMA,
            "tool": "sfukit",
            "version": __version__,
            "command": "serve",
            "verdict": None,
            "exit_code": None,
            "pid": os.getpid(),
            "url": ready.url,
            "http_host": ready.http_host,
            "http_port": ready.http_port,
            "udp_ports": info.udp_ports,
            "addresses": [str(address) for address in ready.context.core.addresses],
            "ws": f"{_socket_url(ready)}/ws",
            "whip": f"{ready.url}/whip/{{room}}",
            "whep": f"{ready.url}/whep/{{room}}",
            "metrics": ready.metrics_url,
            "fingerprint": info.fingerprint,
            "recv_buffer_bytes": info.recv_buffer_bytes,
            "send_buffer_bytes": info.send_buffer_bytes,
            "gso": info.gso,
            "gro": info.gro,
        }
    ).decode()


def print_ready(output: "Output", ready: "Ready", took_s: float, *, show_token: bool) -> None:
    """Print the URLs and the commands to paste."""
    console = output.console
    pid = f"pid {os.getpid()}"
    console.print(f"[bold]sfukit {__version__}[/]  ready in {took_s:.2f} s  [dim]{pid}[/]\n")
    for label, text in _rows(ready, show_token):
        console.print(Text.assemble((f"{label:<9}", "bold cyan"), text))
    console.print("\n[dim]Ctrl-C stops; SIGTERM drains: waits until participants left[/]\n")


def page_url(ready: "Ready") -> str:
    """Return the URL of the demo page, with a token where the server requires one."""
    keys = ready.context.settings.api_keys
    if not keys:
        return f"{ready.url}/"
    key, secret = next(iter(keys.items()))
    grants = VideoGrants(room_join=True, room_create=True, room_admin=True)
    token = sign(claims_for(key, f"host-{os.getpid()}", grants, valid_s=_TOKEN_VALID_S), secret)
    return f"{ready.url}/?access_token={token}"


def _rows(ready: "Ready", show_token: bool) -> list[tuple[str, str]]:
    context = ready.context
    ports = context.engine.info.udp_ports
    shown = f"{ports[0]}" if len(ports) == 1 else f"{ports[0]}-{ports[-1]}"
    addresses = ", ".join(str(address) for address in context.core.addresses)
    bearer = "the token" if context.settings.api_keys else "empty"
    return [
        ("page", page_url(ready) if show_token else f"{ready.url}/"),
        ("publish", f"WHIP {ready.url}/whip/ROOM"),
        ("", f"OBS: Settings, Stream, Service WHIP, Server that URL, Bearer Token {bearer}"),
        ("play", f"WHEP {ready.url}/whep/ROOM"),
        ("rooms", f"WebSocket {_socket_url(ready)}/ws (docs/protocol.md)"),
        ("media", f"UDP {shown} on {addresses}; open it in the firewall"),
        ("watch", f"{ready.metrics_url}  /debug/rooms  /readyz"),
        ("load", f"sfukit loadtest {ready.url} --clients 100"),
        *_turn(ready),
        *_access(ready),
        *_kernel(ready),
    ]


def _turn(ready: "Ready") -> list[tuple[str, str]]:
    servers = ready.context.settings.turn.servers
    return [("turn" if index == 0 else "", text) for index, text in enumerate(servers)]


def _access(ready: "Ready") -> list[tuple[str, str]]:
    settings = ready.context.settings
    if settings.api_keys:
        key = next(iter(settings.api_keys))
        make = "sfukit token --room ROOM --identity NAME --create"
        return [("access", f"tokens signed under {key}: {make}")]
    remote = f"--http 0.0.0.0:{ready.http_port} --api-key NAME --api-secret SECRET"
    return [
        ("access", "this machine only, without tokens"),
        ("remote", f"sfukit serve {remote}"),
    ]


def _kernel(ready: "Ready") -> list[tuple[str, str]]:
    """Return the kernel limits that drop packets under load, with the commands that raise them."""
    info, requested = ready.context.engine.info, ready.context.settings.engine
    lines = []
    for name, granted_bytes, requested_bytes, key in (
        ("receive", info.recv_buffer_bytes, requested.recv_buffer_bytes, "rmem_max"),
        ("send", info.send_buffer_bytes, requested.send_buffer_bytes, "wmem_max"),
    ):
        if granted_bytes < requested_bytes:
            kib = f"{granted_bytes // 1024} KiB of {requested_bytes // 1024}"
            lines.append(f"{name} buffer {kib}: sysctl -w net.core.{key}={requested_bytes}")
    if not info.gso:
        lines.append("no UDP segmentation offload (GSO): sending costs several times the CPU")
    return [("kernel" if index == 0 else "", line) for index, line in enumerate(lines)]


def _socket_url(ready: "Ready") -> str:
    return "ws" + ready.url.removeprefix("http")
