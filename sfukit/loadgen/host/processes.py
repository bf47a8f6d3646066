"""CPU time, memory and run-queue wait of a process, from /proc."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class ThreadTimes(NamedTuple):
    """One thread: seconds on a core, and seconds ready to run while no core was free."""

    cpu_s: float
    wait_s: float


class Reading(NamedTuple):
    """The use of a process at one instant."""

    at_s: float
    cpu_s: float
    rss_bytes: int
    threads: Mapping[int, ThreadTimes]


class Use(NamedTuple):
    """The use between two readings; ``wait_s`` is None where the kernel keeps no schedstat."""

    wall_s: float
    cpu_s: float
    rss_bytes: int
    wait_s: float | None
    busiest_thread: float
    longest_wait: float | None


def read(pid: int, at_s: float) -> Reading | None:
    """Return the use of a process; None when it has ended."""
    root = Path(f"/proc/{pid}")
    try:
        # after the name, which may hold spaces and parentheses; utime is field 14 of proc(5)
        fields = (root / "stat").read_text().rpartition(")")[2].split()
        cpu_s = (int(fields[11]) + int(fields[12])) / _TICKS_PER_S
        rss_bytes = int(fields[21]) * _PAGE_BYTES
    except (OSError, IndexError, ValueError):
        return None
    return Reading(at_s, cpu_s, rss_bytes, _threads(root / "task"))


def busy_cores_s() -> float | None:
    """Return the CPU time of all cores of the machine since its start; None is unknown."""
    try:
        fields = Path("/proc/stat").read_text().partition("\n")[0].split()[1:]
        user, nice, system, _idle, _iowait, irq, softirq, *_ = map(int, fields)
    except (OSError, ValueError):
        return None
    return (user + nice + system + irq + softirq) / _TICKS_PER_S


def between(before: Reading, after: Reading) -> Use:
    """Return the use between two readings; a thread started in between counts from zero."""
    wall_s = max(after.at_s - before.at_s, 1e-9)
    spent = [
        ThreadTimes(times.cpu_s - old.cpu_s, times.wait_s - old.wait_s)
        for thread, times in after.threads.items()
        for old in (before.threads.get(thread, ThreadTimes(0.0, 0.0)),)
    ]
    waits = [times.wait_s for times in spent]
    return Use(
        wall_s,
        after.cpu_s - before.cpu_s,
        after.rss_bytes,
        sum(waits) if waits else None,
        max((times.cpu_s for times in spent), default=0.0) / wall_s,
        max(waits) / wall_s if waits else None,
    )


def _threads(folder: Path) -> dict[int, ThreadTimes]:
    """Return schedstat of each thread: time on a core, time in the run queue."""
    try:
        entries = list(folder.iterdir())
    except OSError:
        return {}
    threads = {}
    for entry in entries:
        try:
            on_core_ns, waiting_ns, _ = (entry / "schedstat").read_text().split()
        except (OSError, ValueError):
            continue  # the thread ended, or the kernel keeps no schedstat
        threads[int(entry.name)] = ThreadTimes(int(on_core_ns) / 1e9, int(waiting_ns) / 1e9)
    return threads
