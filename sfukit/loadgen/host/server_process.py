"""A private ``sfukit serve`` in a separate process, so that its CPU time is measured apart."""

import asyncio
import ctypes
import os
import re
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import IO, NamedTuple

import httpx
import msgspec

from sfukit.errors import MachineError, TargetError
from sfukit.loadgen.host import processes
from sfukit.loadgen.host.placement import running_on
from sfukit.loadgen.host.processes import Reading

_READY_S = 30.0
_STOP_S = 5.0
_END_S = 2.0
_METRICS_S = 5.0
_LOG_TAIL_LINES = 8
_PR_SET_PDEATHSIG = 1
_SAMPLE = re.compile(r"(?P<name>\w+)\{(?P<labels>[^}]*)\} (?P<value>\S+)")
_PACKETS = "sfukit_rtp_packets_total"


class Ready(msgspec.Struct):
    """The JSON of a server that is ready."""

    pid: int
    url: str
    udp_ports: list[int]
    metrics: str


class Traffic(NamedTuple):
    """RTP packets of the server since its start."""

    packets_received: int
    packets_sent: int
    packets_retransmitted: int
    bytes_sent: int

    def since(self, earlier: "Traffic") -> "Traffic":
        """Return the difference to an earlier reading."""
        return Traffic(*(late - early for late, early in zip(self, earlier, strict=True)))


class PrivateServer:
    """The server process: its addresses, its use, its end."""

    def __init__(self, process: asyncio.subprocess.Process, ready: Ready, log: IO[bytes]) -> None:
        self.ready = ready
        self._process = process
        self._log = log

    @property
    def ended(self) -> str | None:
        """How the process ended; None while it runs."""
        code = self._process.returncode
        if code is None:
            return None
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        return f"the private server (pid {self.ready.pid}) ended {how}{log_tail(self._log)}"

    def read(self, at_s: float) -> Reading | None:
        """Return the use of the process."""
        return processes.read(self.ready.pid, at_s)

    async def traffic(self, client: httpx.AsyncClient) -> Traffic | None:
        """Return the packet counters of the server; None without a response."""
        try:
            response = await client.get(self.ready.metrics, timeout=_METRICS_S)
        except httpx.HTTPError:
            return None
        return parse_traffic(response.text)

    def toggle_profile(self) -> None:
        """Start or end the CPU profile of a server that was started for it."""
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGUSR2)

    async def stop(self) -> None:
        """Stop the process by SIGINT, then by SIGKILL."""
        for number in (signal.SIGINT, signal.SIGKILL):
            if self._process.returncode is not None:
                break
            with suppress(ProcessLookupError):
                self._process.send_signal(number)
            with suppress(TimeoutError):
                async with asyncio.timeout(_STOP_S):
                    await self._process.wait()
        self._log.close()


async def start(
    arguments: Sequence[str],
    cores: Sequence[int],
    *,
    module: Sequence[str] = ("sfukit",),
    environment: Mapping[str, str] | None = None,
) -> PrivateServer:
    """Start a server on free ports and wait until it is ready.

    ``module`` runs the command line, with arguments of its own; ``environment`` is added to that
    of this process.
    """
    log = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the server
    with running_on(cores):
        process = await asyncio.create_subprocess_exec(
            *command(arguments, module),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            start_new_session=True,  # Ctrl-C must not end the server before the last reading
            preexec_fn=die_with_parent,
            env={**os.environ, **(environment or {})},
        )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(_READY_S):
            line = await process.stdout.readline()
        return PrivateServer(process, msgspec.json.decode(line, type=Ready), log)
    except (TimeoutError, msgspec.DecodeError) as error:
        code = await _end(process)
        words = log_tail(log)
        log.close()
        what = f"the private server did not start (exit code {code}){words}"
        if code == 2 and arguments:
            raise MachineError(what, hint="check --server-args") from error
        raise TargetError(what, hint="try: sfukit serve") from error
    except asyncio.CancelledError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        log.close()
        raise


def command(arguments: Sequence[str], module: Sequence[str] = ("sfukit",)) -> list[str]:
    """Return the command line of a server on free ports; ``arguments`` may set others."""
    # -P: without it, -m puts the current folder first on the import path
    return [
        *(sys.executable, "-P", "-m", *module, "serve", "--json", "-"),
        *("--http", "127.0.0.1:0", "--udp-port", "0", *arguments),
    ]


async def _end(process: asyncio.subprocess.Process) -> int:
    """Return the exit code of a process that failed, and end it if it has not ended yet.

    Sending a signal polls the exit code first and may reap the process before asyncio, which then
    has none: so the process gets a moment to end by itself.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(_END_S):
            return await process.wait()
    with suppress(ProcessLookupError):
        process.kill()
    return await process.wait()


def parse_traffic(metrics: str) -> Traffic | None:
    """Return the RTP counters of a Prometheus text; None without them."""
    samples = list(map(_SAMPLE.fullmatch, metrics.splitlines()))

    def total(name: str, *labels: str) -> int:
        return sum(
            int(float(sample["value"]))
            for sample in samples
            if sample and sample["name"] == name and all(one in sample["labels"] for one in labels)
        )

    if not any(sample and sample["name"] == _PACKETS for sample in samples):
        return None
    outbound = 'direction="outbound"'
    return Traffic(
        packets_received=total(_PACKETS, 'direction="inbound"'),
        packets_sent=total(_PACKETS, outbound),
        packets_retransmitted=total(_PACKETS, outbound, 'kind="rtx"'),
        bytes_sent=total("sfukit_rtp_bytes_total", outbound),
    )


def die_with_parent() -> None:
    """Let the kernel end this process when its parent is killed (prctl(2), Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def log_tail(log: IO[bytes]) -> str:
    """Return the last lines that the server printed."""
    log.seek(0)
    lines = log.read().decode(errors="replace").strip().splitlines()[-_LOG_TAIL_LINES:]
    return "".join(f"\n    {line}" for line in lines)
