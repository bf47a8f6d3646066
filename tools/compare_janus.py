"""One load against Debian's Janus and against ``sfukit serve``, in turn, in one table.

The SRTP profile is fixed, packets are counted at the bots for both, CPU time is that of the server
process in the measured window. ``--variants`` adds Janus with a thread per handle, which is its
default, and with the log level of Debian's configuration.
"""

import argparse
import contextlib
import statistics
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from sfukit import machine
from sfukit.loadgen.result.report import LoadtestReport
from tools.bench.own_server import serving
from tools.bench.runs import RunError, Runs
from tools.janus_server import JanusError, janus

_POLL_S = 0.2
_METRICS = (
    ("join, p95", "join_ms", "{:.0f} ms"),
    ("frame delay, p95", "e2e_frame_ms", "{:.0f} ms"),
    ("loss", "loss_raw", "{:.2%}"),
    ("frozen", "freeze_est", "{:.2%}"),
)


class Running(NamedTuple):
    """A server under test."""

    url: str
    pid: int


class Contender(NamedTuple):
    """A server with its configuration: a name for the table, and how it is started."""

    name: str
    start: Callable[[Path], contextlib.AbstractContextManager[Running]]


@dataclass
class Outcomes:
    """The reports of one server, and the datagrams that the kernel dropped at its sockets."""

    reports: list[LoadtestReport] = field(default_factory=list)
    drops: list[int] = field(default_factory=list)


class SocketDrops:
    """The datagrams dropped at the UDP sockets of a process, those that were closed included."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._drops: dict[str, int] = {}
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> "SocketDrops":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    @property
    def total(self) -> int:
        """The drops so far."""
        return sum(self._drops.values())

    def look(self) -> None:
        """Read the counters of the sockets that are open."""
        self._drops |= _drops_by_inode(_inodes(self._pid))

    def _watch(self) -> None:
        while not self._done.wait(_POLL_S):
            self.look()


def main() -> int:
    """Run the rounds; print the table."""
    arguments = _arguments()
    console = Console()
    contenders = [
        Contender("sfukit", lambda _: _sfukit()),
        Contender("Janus", _janus),
    ]
    if arguments.variants:
        contenders += [
            Contender("Janus, a thread per handle", lambda folder: _janus(folder, event_loops=0)),
            Contender("Janus, debug_level 4", lambda folder: _janus(folder, debug_level=4)),
        ]
    load = ["-c", str(arguments.clients), "--srtp", arguments.srtp]
    load += ["-d", arguments.duration, "--warmup", "5s", "--no-default-gates"]
    outcomes: dict[str, Outcomes] = {one.name: Outcomes() for one in contenders}
    try:
        for number in range(arguments.rounds):
            for contender in contenders:
                console.print(f"round {number + 1} of {arguments.rounds}: {contender.name}")
                _run(contender, load, outcomes[contender.name])
    except (JanusError, RunError) as error:
        print(f"compare-janus: {error}", file=sys.stderr)
        return 1
    facts = machine.inspect()
    console.print(f"\n{facts.cpu_model}, {facts.cores} cores, kernel {facts.kernel}")
    console.print(f"sfukit loadtest URL {' '.join(load)}, {arguments.rounds} rounds in turn")
    console.print(_table(outcomes))
    return 0


def _run(contender: Contender, load: Sequence[str], outcome: Outcomes) -> None:
    with tempfile.TemporaryDirectory() as folder, contender.start(Path(folder)) as server:
        with SocketDrops(server.pid) as drops:
            outcome.reports.append(Runs(1.0).run_loadtest(server.url, *load))
        outcome.drops.append(drops.total)


@contextlib.contextmanager
def _sfukit() -> Iterator[Running]:
    with serving() as server:
        yield Running(server.url, server.pid)


@contextlib.contextmanager
def _janus(folder: Path, *, event_loops: int = 2, debug_level: int = 0) -> Iterator[Running]:
    with janus(folder, event_loops=event_loops, debug_level=debug_level) as server:
        yield Running(f"{server.websocket_url}/janus", server.pid)


def _table(outcomes: Mapping[str, Outcomes]) -> Table:
    table = Table("", *outcomes, show_edge=False, pad_edge=False)
    columns = [dict(_figures(outcome)) for outcome in outcomes.values()]
    for title in columns[0]:
        table.add_row(title, *(column[title] for column in columns))
    return table


def _figures(outcome: Outcomes) -> Iterator[tuple[str, str]]:
    reports = outcome.reports
    servers = [report.server for report in reports if report.server is not None]
    clients = {len([one for one in report.clients if one.joined]) for report in reports}
    yield "joined", "/".join(map(str, sorted(clients)))
    for title, name, form in _METRICS:
        metrics = [report.metrics[name] for report in reports]
        values = [one.avg if "%" in form else one.p95 for one in metrics]
        yield title, _spread(values, form)
    yield "server", _spread([one.cpu_s / one.wall_s for one in servers], "{:.2f} core")
    waits = [one.run_queue_wait_s / one.wall_s for one in servers if one.run_queue_wait_s]
    yield "waited for a core", _spread(waits, "{:.2f} core")
    per_packet = [one.cpu_s * 1e6 / max(1, one.packets_sent) for one in servers]
    yield "CPU per forwarded packet", _spread(per_packet, "{:.1f} us")
    yield "sent", _spread([one.bytes_sent * 8e-6 / one.wall_s for one in servers], "{:.0f} Mb/s")
    yield "drops at its sockets", _spread(outcome.drops, "{:.0f}")
    yield "limit", "/".join(sorted({report.saturation.side for report in reports}))


def _spread(values: Sequence[float | None], form: str) -> str:
    """Write the median, and the range where there are several values."""
    known = [value for value in values if value is not None]
    if not known:
        return "unknown"
    median = form.format(statistics.median(known))
    least, most = form.format(min(known)), form.format(max(known))
    return median if least == most else f"{median} ({least.split()[0]} - {most.split()[0]})"


def _inodes(pid: int) -> set[str]:
    found = set()
    with contextlib.suppress(OSError):
        for file in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                found.add(str(file.readlink()).removeprefix("socket:[").removesuffix("]"))
    return found


def _drops_by_inode(inodes: set[str]) -> dict[str, int]:
    rows = [
        line.split()
        for name in ("udp", "udp6")
        for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]
    ]
    return {fields[9]: int(fields[-1]) for fields in rows if fields[9] in inodes}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--duration", default="15s", help="measured window of each run")
    parser.add_argument("--srtp", default="cm80", choices=("cm80", "gcm128"))
    parser.add_argument("--variants", action="store_true", help="other configurations of Janus")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
