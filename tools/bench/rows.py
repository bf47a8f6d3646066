"""The rows of the table: the runs and figures of each."""

import statistics
from collections.abc import Callable, Mapping
from typing import NamedTuple

from sfukit import machine
from sfukit.loadgen.result.report import LoadtestReport
from tools.bench import cargo_figures, clients, load_figures
from tools.bench.figure import Figure, at_most, below, exactly, ratio
from tools.bench.own_server import OwnServer, Remains, joining_cost, serving
from tools.bench.runs import RunError, Runs

SUBSCRIBERS = 240
_SESSION = 500
_NARROW = 20
_CYCLES = 20
_FIRST_CYCLE = 5  # the allocator has grown by then

# One publisher, highest encoding only, AES-128-GCM, no audio.
_VIDEO = ["--no-simulcast", "--bitrate", "1.7M", "--audio", "none", "--srtp", "gcm128"]


class Row(NamedTuple):
    """One row; ``usual`` rows make up the table, others are run by name."""

    what: str
    measure: Callable[[Runs], list[Figure]]
    usual: bool = True


def hot_path(runs: Runs) -> list[Figure]:
    """Receive, rewrite and seal for 240, without sockets."""
    return cargo_figures.hot_path(runs.cargo_bench("sfukit-sfu", "hot_path"))


def send_floor(runs: Runs) -> list[Figure]:
    """Send to 240 drained sockets, nothing else."""
    return cargo_figures.send_floor(runs.cargo_bench("sfukit-native", "send_floor"))


def srtp(runs: Runs) -> list[Figure]:
    """Seal and open with 500 keys in rotation."""
    return cargo_figures.srtp(runs.cargo_bench("sfukit-rtc", "srtp"))


def dtls(runs: Runs) -> list[Figure]:
    """Shake hands."""
    return cargo_figures.dtls(runs.cargo_bench("sfukit-rtc", "dtls"))


def broadcast(runs: Runs) -> list[Figure]:
    """One publisher to 240, with 1 % of the packets asked for again."""
    asked_again = ("--net-down", "loss=1%")
    whole = _broadcast(runs, *asked_again, pacing="whole")
    return load_figures.broadcast(whole, _broadcast(runs, *asked_again))


def audio(runs: Runs) -> list[Figure]:
    """Ten speakers of forty, with and without coalescing."""
    room = [
        *f"--scenario audio-room --clients {runs.count(40, 12)} --srtp gcm128".split(),
        *_shape(runs, 20),
        *runs.pin,
    ]
    return load_figures.audio(
        runs.loadtest(*room, "--server-args=--coalesce 0"), runs.loadtest(*room)
    )


def meeting(runs: Runs) -> list[Figure]:
    """The default rooms of five with 500 participants."""
    clients = runs.count(_SESSION, 5)
    return load_figures.session(
        runs.loadtest("--clients", f"{clients}", "--duration", runs.span(60), *runs.pin)
    )


def thousand(runs: Runs) -> list[Figure]:
    """One publisher, a thousand subscribers."""
    return load_figures.session(_broadcast(runs, subscribers=1000, duration_s=30))


def lossy(runs: Runs) -> list[Figure]:
    """240 subscribers with 2 % loss and 40 ms each way, beside the same without."""
    network = ("--net-down", "loss=2%,delay=40ms", "--net-up", "delay=40ms")
    return load_figures.lossy(_broadcast(runs, *network), _broadcast(runs))


def narrow(runs: Runs) -> list[Figure]:
    """20 subscribers behind 1 Mb/s beside 220 free ones, and all without such links."""
    options = [
        *f"--scenario broadcast --clients {runs.count(SUBSCRIBERS, 12) + 1} --audio none".split(),
        *("--srtp", "gcm128", "--server-args=--bwe loss-rtt", "--net-share"),
        f"{_NARROW / SUBSCRIBERS:.3%}",
        *_shape(runs, 60, warmup_s=load_figures.SETTLING_S),
        *runs.pin,
        *("--no-default-gates", "-T", "joins==100%"),
    ]
    link = "rate=1M,queue=300ms"
    return load_figures.narrow(
        runs.loadtest(*options, "--net-down", link),
        runs.loadtest(*options, "--net-down", "loss=0%"),
    )


def ramp(runs: Runs) -> list[Figure]:
    """500 participants of the default rooms at 100 a second."""
    clients = runs.count(_SESSION, 5)
    return load_figures.ramp(runs.loadtest("--clients", f"{clients}", *_shape(runs, 20), *runs.pin))


def signaling(runs: Runs) -> list[Figure]:
    """5,000 WebSockets and 300 requests a second, without media."""
    clients, per_s = runs.count(5_000, 100), runs.count(300, 30)
    return load_figures.signaling(
        runs.signaling(
            *f"--scenario signaling --clients {clients} --rate {per_s}/s".split(),
            *("--warmup", "12s", "--duration", runs.span(120, 5)),
        )
    )


def whep(runs: Runs) -> list[Figure]:
    """One WHIP session and 499 WHEP sessions at 100 a second, at 180p."""
    machine.raise_open_files(machine.open_files_for(_SESSION))
    with serving() as server:
        options = [
            *(f"whip+{server.url}/whip/bench", "--play", f"{server.url}/whep/bench"),
            *f"--clients {runs.count(_SESSION, 5)} --no-simulcast --bitrate 150k".split(),
            *("--audio", "none", *_shape(runs, 10)),
        ]
        report, samples = server.watched(lambda: runs.loadtest(*options))
    scenario = report.scenario
    cost = joining_cost(samples, scenario.ramp_s, scenario.warmup_s + scenario.duration_s)
    cpu_ms = load_figures.joining_cpu_ms(*cost, scenario.clients) if cost else None
    return load_figures.whep(report, cpu_ms)


def memory(runs: Runs) -> list[Figure]:
    """The same room with 40 and with 240 subscribers."""
    return load_figures.memory(_broadcast(runs, subscribers=40), _broadcast(runs))


def swarm(runs: Runs) -> list[Figure]:
    """The cost of 240 receiving bots."""
    return load_figures.swarm(_broadcast(runs))


def show_help(runs: Runs) -> list[Figure]:
    """The time until the help is there."""
    wall_s = statistics.median(runs.help_wall_s(times=5))
    return [Figure("wall s, median of 5", wall_s, "s", below(0.2))]


def cycles(runs: Runs) -> list[Figure]:
    """Cycles of 500 clients that join one server, stay 10 s and leave."""
    clients, rounds = runs.count(_SESSION, 5), runs.count(_CYCLES, 2)
    machine.raise_open_files(machine.open_files_for(clients))
    with serving("--room-idle", "0") as server:
        before = server.remains()
        after = [_cycle(runs, server, clients) for _ in range(rounds)]
    return cycle_figures(before, after)


def cycle_figures(before: Remains, after: list[Remains]) -> list[Figure]:
    """Compare what is left after the last cycle with an early one, and with the start."""
    early, last = after[min(_FIRST_CYCLE, len(after)) - 1], after[-1]
    grown = ratio(last.rss_bytes, early.rss_bytes)
    return [
        Figure("rss_bytes before", before.rss_bytes, "bytes"),
        Figure(f"rss_bytes after cycle {len(after)}", last.rss_bytes, "bytes"),
        Figure(f"times that after cycle {min(_FIRST_CYCLE, len(after))}", grown, "", at_most(1.03)),
        Figure("file descriptors more", last.files - before.files, "", exactly(0)),
        Figure("asyncio tasks more", last.tasks - before.tasks, "", exactly(0)),
        Figure("live objects more", last.objects - before.objects, "", exactly(0)),
    ]


ROWS: Mapping[str, Row] = {
    "hot-path": Row("hot path alone, for 240", hot_path),
    "send-floor": Row("floor: sending alone", send_floor),
    "srtp": Row("floor: sealing and opening", srtp),
    "dtls": Row("floor: handshakes", dtls),
    "broadcast": Row("1 publisher to 240, 1 % asked for again", broadcast),
    "audio": Row("audio room of 40, 10 speak", audio),
    "meeting": Row("500 in rooms of 5", meeting),
    "thousand": Row("1 publisher to 1,000", thousand),
    "lossy": Row("240 with 2 % loss and 40 ms each way", lossy),
    "narrow": Row("20 behind 1 Mb/s beside 220", narrow),
    "ramp": Row("100 joins/s to 500 in rooms of 5", ramp),
    "signaling": Row("5,000 WebSockets, 300 requests/s", signaling),
    "whep": Row("100 joins/s to 500 WHEP sessions", whep),
    "memory": Row("memory of a subscriber", memory),
    "swarm": Row("swarm, broadcast", swarm),
    "pion": Row("swarm and pion, 120 subscribers each", clients.beside_pion),
    "receivers": Row("1 publisher of 500 kb/s to 2,000", clients.two_thousand),
    "help": Row("sfukit --help", show_help),
    "cycles": Row("20 cycles of 500 join, 10 s, leave", cycles, usual=False),
}


def _broadcast(
    runs: Runs,
    *more: str,
    subscribers: int = SUBSCRIBERS,
    duration_s: float = 20,
    pacing: str = "libwebrtc",
) -> LoadtestReport:
    clients = runs.count(subscribers, 4) + 1
    return runs.loadtest(
        *f"--scenario broadcast --clients {clients} --pacing {pacing}".split(),
        *_VIDEO,
        *_shape(runs, duration_s),
        *runs.pin,
        *more,
    )


def _cycle(runs: Runs, server: OwnServer, clients: int) -> Remains:
    """Run a load and wait for its release; at 180p, so that no core saturates during joins."""
    small = ("--no-simulcast", "--bitrate", "150k")
    report = runs.run_loadtest(
        server.url, "--clients", f"{clients}", *small, *_shape(runs, 10, warmup_s=1)
    )
    if report.metrics["joins"].avg != 1.0:
        raise RunError(f"a cycle in which joins failed: {report.reasons}")
    return server.when_empty()


def _shape(runs: Runs, duration_s: float, *, warmup_s: float = 5) -> list[str]:
    return ["--ramp", "100/s", "--warmup", f"{warmup_s:g}s", "--duration", runs.span(duration_s)]
