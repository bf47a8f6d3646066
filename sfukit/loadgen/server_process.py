"""A private ``sfukit serve`` as a process of its own, so that its CPU can be told from ours."""

import asyncio
import ctypes
import re
import signal
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from typing import IO, NamedTuple

import httpx
import msgspec

from sfukit.errors import MachineError, TargetError
from sfukit.loadgen import processes
from sfukit.loadgen.placement import running_on
from sfukit.loadgen.processes import Reading

_READY_S = 30.0
_STOP_S = 5.0
_END_S = 2.0
_METRICS_S = 5.0
_LAST_WORDS = 8
_PR_SET_PDEATHSIG = 1
_SAMPLE = re.compile(r"(?P<name>\w+)\{(?P<labels>[^}]*)\} (?P<value>\S+)")
_PACKETS = "sfukit_rtp_packets_total"


class Ready(msgspec.Struct):
    """What a server says of itself once it is ready."""

    pid: int
    url: str
    udp_ports: list[int]
    metrics: str


class Traffic(NamedTuple):
    """RTP through the server since it started."""

    packets_received: int
    packets_sent: int
    packets_retransmitted: int
    bytes_sent: int

    def since(self, earlier: "Traffic") -> "Traffic":
        """Subtract what an earlier look counted."""
        return Traffic(*(late - early for late, early in zip(self, earlier, strict=True)))


class PrivateServer:
    """The process, where it listens, and what it used."""

    def __init__(self, process: asyncio.subprocess.Process, ready: Ready, log: IO[bytes]) -> None:
        self.ready = ready
        self._process = process
        self._log = log

    @property
    def gone(self) -> str | None:
        """How the process ended, or None while it runs."""
        code = self._process.returncode
        if code is None:
            return None
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        return f"the private server (pid {self.ready.pid}) ended {how}{_last_words(self._log)}"

    def read(self, at_s: float) -> Reading | None:
        """Look at what the process has used."""
        return processes.read(self.ready.pid, at_s)

    async def traffic(self, client: httpx.AsyncClient) -> Traffic | None:
        """Ask the server for its packet counters; None where it does not answer."""
        try:
            response = await client.get(self.ready.metrics, timeout=_METRICS_S)
        except httpx.HTTPError:
            return None
        return parse_traffic(response.text)

    async def stop(self) -> None:
        """Stop the process: politely, then for certain."""
        for number in (signal.SIGINT, signal.SIGKILL):
            if self._process.returncode is not None:
                break
            with suppress(ProcessLookupError):
                self._process.send_signal(number)
            with suppress(TimeoutError):
                async with asyncio.timeout(_STOP_S):
                    await self._process.wait()
        self._log.close()


async def start(arguments: Sequence[str], cores: Sequence[int]) -> PrivateServer:
    """Start a server on free ports and wait until it says that it is ready."""
    log = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the server
    # -P: without it, -m puts the current folder first on the import path
    command = [sys.executable, "-P", "-m", "sfukit", "serve", "--json", "-"]
    command += ["--http", "127.0.0.1:0", "--udp-port", "0", *arguments]
    with running_on(cores):
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            start_new_session=True,  # Ctrl-C is for us: the server has to outlive the last figures
            preexec_fn=_die_with_parent,
        )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(_READY_S):
            line = await process.stdout.readline()
        return PrivateServer(process, msgspec.json.decode(line, type=Ready), log)
    except (TimeoutError, msgspec.DecodeError) as error:
        code = await _end(process)
        words = _last_words(log)
        log.close()
        what = f"the private server did not start (exit code {code}){words}"
        if code == 2 and arguments:
            raise MachineError(what, hint="check --server-args") from error
        raise TargetError(what, hint="try it alone: sfukit serve") from error


async def _end(process: asyncio.subprocess.Process) -> int:
    """Return the exit code of a process that failed, and end it if it has not ended yet.

    A signal to a process that is ending looks for its exit code first and may take it from asyncio,
    which then knows none: so the process gets a moment to end by itself.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(_END_S):
            return await process.wait()
    with suppress(ProcessLookupError):
        process.kill()
    return await process.wait()


def parse_traffic(metrics: str) -> Traffic | None:
    """Read the RTP counters out of Prometheus text; None where they are not there."""
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


def _die_with_parent() -> None:
    """Let the kernel end the server should we be killed (prctl(2), Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _last_words(log: IO[bytes]) -> str:
    """Quote the end of what the server printed."""
    log.seek(0)
    lines = log.read().decode(errors="replace").strip().splitlines()[-_LAST_WORDS:]
    return "".join(f"\n    {line}" for line in lines)
