"""``sfukit serve`` as a process that ends with a block."""

import os
import select
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from sfukit.errors import ExitCode, MachineError, SfukitError, UsageError
from sfukit.loadgen.host.server_process import Ready, command, die_with_parent, log_tail

_READY_S = 30.0
_STOP_S = 20.0


@dataclass(frozen=True)
class SfuServer:
    """A running server: its base URL, its first media port, its process, its log."""

    url: str
    udp_port: int
    pid: int
    log: Path

    @property
    def websocket(self) -> str:
        """The URL of rooms over WebSocket (docs/protocol.md)."""
        return f"{self.url.replace('http', 'ws', 1)}/ws"

    def whip(self, room: str) -> str:
        """Return the URL that publishes to a room by WHIP."""
        return f"{self.url}/whip/{room}"

    def whep(self, room: str) -> str:
        """Return the URL that plays a room by WHEP."""
        return f"{self.url}/whep/{room}"


@contextmanager
def serving(folder: Path, *arguments: str, prefix: Sequence[str] = ()) -> Iterator[SfuServer]:
    """Run ``sfukit serve`` until the block ends, on free ports of 127.0.0.1.

    ``arguments`` are those of ``sfukit serve`` and win over the defaults. ``folder`` gets
    ``serve.log``. ``prefix`` is a command to run the server under, as ``("nice",)``.

    Raises ``UsageError`` for arguments that ``sfukit serve`` refuses, ``MachineError`` for a
    server that is not ready after 30 s, ``SfukitError`` for one that does not stop on SIGINT.
    """
    log = folder / "serve.log"
    with log.open("ab") as sink:
        process = subprocess.Popen(
            [*prefix, *command(arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=sink,
            start_new_session=True,  # Ctrl-C ends the tests first, then the server
            preexec_fn=die_with_parent,
        )
    with process:
        try:
            ready = _ready(process, log)
            yield SfuServer(ready.url, ready.udp_ports[0], ready.pid, log)
        finally:
            _stop(process, log)


def _ready(process: subprocess.Popen[bytes], log: Path) -> Ready:
    assert process.stdout is not None
    readable, _, _ = select.select([process.stdout], [], [], _READY_S)
    line = process.stdout.readline() if readable else b""
    try:
        return msgspec.json.decode(line, type=Ready)
    except msgspec.DecodeError as error:
        code = process.wait(_STOP_S) if readable else None
        how = f"exit code {code}" if readable else f"not ready after {_READY_S:g} s"
        refused = code == ExitCode.USAGE
        kind = UsageError if refused else MachineError
        hint = "check the arguments of serving()" if refused else "try: sfukit serve"
        raise kind(f"sfukit serve did not start ({how}){_tail(log)}", hint=hint) from error


def _stop(process: subprocess.Popen[bytes], log: Path) -> None:
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGINT)
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise SfukitError(f"sfukit serve did not stop on SIGINT{_tail(log)}") from None


def _tail(log: Path) -> str:
    with log.open("rb") as file:
        return log_tail(file)
