"""Debian's Janus as a process with a configuration of its own, on free ports.

Janus ignores loopback interfaces when it gathers candidates, so media has another address of this
machine. ``SFUKIT_JANUS`` names another build than ``janus`` on the path.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import ifaddr

VARIABLE = "SFUKIT_JANUS"
HOW = "on Debian: apt-get install janus (its service may stay stopped)"

_READY_S = 15.0
_POLL_S = 0.02


class JanusError(Exception):
    """Janus cannot be started."""


@dataclass(frozen=True)
class Janus:
    """A running server: its URLs, its process, the address of its media."""

    websocket_url: str
    http_url: str
    pid: int
    media_ip: str
    log: Path


def media_address() -> str | None:
    """Return an IPv4 address of this machine that is none of loopback."""
    found = (ip.ip for adapter in ifaddr.get_adapters() for ip in adapter.ips if ip.is_IPv4)
    return next((ip for ip in found if isinstance(ip, str) and not ip.startswith("127.")), None)


@contextlib.contextmanager
def janus(
    folder: Path,
    *,
    event_loops: int = 1,
    debug_level: int = 2,
    general: Mapping[str, object] | None = None,
    room_settings: Mapping[str, object] | None = None,
    prefix: Sequence[str] = (),
) -> Iterator[Janus]:
    """Run a server until the block ends; ``prefix`` is a command to run it under.

    ``general`` adds to the section of that name, ``room_settings`` to that of the VideoRoom.
    """
    program = os.environ.get(VARIABLE) or shutil.which("janus")
    media_ip = media_address()
    if program is None:
        raise JanusError(f"janus is not here; {HOW}")
    if media_ip is None:
        raise JanusError("Janus needs an IPv4 address that is none of loopback")
    websocket_port, http_port = _free_ports(2)
    files = {
        "janus": _main(folder, _parts(program), media_ip, event_loops, debug_level, general or {}),
        "janus.transport.websockets": _section(
            "general", json="plain", ws=True, ws_port=websocket_port, ws_ip="127.0.0.1"
        ),
        "janus.transport.http": _section("general", http=True, port=http_port, ip="127.0.0.1"),
        "janus.plugin.videoroom": _section("general", **(room_settings or {})),
    }
    for name, text in files.items():
        (folder / f"{name}.jcfg").write_text(text)
    log = folder / "janus.log"
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [*prefix, program, "-F", str(folder)], stdout=sink, stderr=sink, cwd=folder
        )
    try:
        for port in (websocket_port, http_port):
            _until_ready(process, port, log)
        yield Janus(
            f"ws://127.0.0.1:{websocket_port}",
            f"http://127.0.0.1:{http_port}/janus",
            process.pid,
            media_ip,
            log,
        )
    finally:
        process.kill()
        process.wait()


def _main(
    folder: Path,
    parts: Path,
    media_ip: str,
    event_loops: int,
    debug_level: int,
    general: Mapping[str, object],
) -> str:
    return (
        _section(
            "general",
            configs_folder=str(folder),
            plugins_folder=str(parts / "plugins"),
            transports_folder=str(parts / "transports"),
            events_folder=str(folder),
            loggers_folder=str(folder),
            debug_level=debug_level,
            debug_colors=False,
            event_loops=event_loops,
            hide_dependencies=True,
            **general,
        )
        + _section("nat", ice_enforce_list=media_ip, ice_lite=False)
        + _section("plugins", disable=_others(parts / "plugins", "libjanus_videoroom.so"))
        + _section(
            "transports",
            disable=_others(parts / "transports", "libjanus_websockets.so", "libjanus_http.so"),
        )
    )


def _parts(program: str) -> Path:
    """Return the folder of plug-ins and transports, by the prefix of the installation."""
    root = Path(program).resolve().parents[1] / "lib"
    found = [*sorted(root.glob("*/janus/plugins")), *sorted(root.glob("janus/plugins"))]
    if not found:
        raise JanusError(f"no plug-ins of Janus below {root}; {HOW}")
    return found[0].parent


def _others(folder: Path, *used: str) -> str:
    return ",".join(sorted(one.name for one in folder.glob("*.so") if one.name not in used))


def _section(name: str, **values: object) -> str:
    lines = "".join(f"  {key} = {_value(value)}\n" for key, value in values.items())
    return f"{name}: {{\n{lines}}}\n"


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else f'"{value}"'


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]


def _until_ready(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    """Wait until a port accepts connections."""
    deadline = time.monotonic() + _READY_S
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
            return
        if process.poll() is not None:
            raise JanusError(f"Janus ended: {log.read_text(errors='replace')[-2000:]}")
        if time.monotonic() > deadline:
            raise JanusError(f"Janus is not ready: {log.read_text(errors='replace')[-2000:]}")
        time.sleep(_POLL_S)
