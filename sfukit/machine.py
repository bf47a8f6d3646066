"""Facts of this machine, the limits on media, and the command that raises each limit."""

import os
import platform
import resource
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

State = Literal["ok", "weak", "bad", "unknown"]

FREE_MEMORY = "free memory"
"""Name of the finding about free-page reporting of a virtual machine."""

ENOUGH_TO_SPLIT = 4
"""With fewer cores than this, a load test and its private server share them."""

# linux/udp.h; not in Python's socket module
_UDP_SEGMENT = 103
_UDP_GRO = 104

_BUFFER_RECOMMENDED = 4 * 2**20
_BUFFER_MIN = 2**20
_FILES_PER_CLIENT = 3  # a WebSocket and two media sockets
_OTHER_FILES = 200
_LONGEST_PAGELISTS = 8  # minimum of the kernel: 1/8 of the memory, shared by the cores
_REPORT_ORDER = "/sys/module/page_reporting/parameters/page_reporting_order"
_LARGEST_REPORT_ORDER = 10  # MAX_PAGE_ORDER of most kernels: blocks of 4 MiB
_CLIENTS_UNHARMED = 300  # in rooms of 5 on two cores, measured without long page lists
_BALLOONS = Path("/sys/bus/virtio/drivers/virtio_balloon")
_BALLOON_REPORTS_BIT = 5  # virtio 1.2, 5.5.3: VIRTIO_BALLOON_F_REPORTING


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """Facts about this machine; None is unknown, never a guess."""

    system: str
    kernel: str
    cpu_model: str | None
    cores: int
    memory_bytes: int | None
    open_files_soft: int
    open_files_hard: int
    rmem_max: int | None
    wmem_max: int | None
    udp_segment: bool | None
    udp_gro: bool | None
    run_queue_wait: bool
    free_page_reporting: bool | None = None
    """A virtual machine that reports free memory to its host (VIRTIO_BALLOON_F_REPORTING)."""
    pagelist_high_fraction: int | None = None
    """``vm.percpu_pagelist_high_fraction``: lists of up to 1/N of the memory; 0 is automatic."""
    page_reporting_order: int | None = None
    """``page_reporting_order``: free blocks of 2**N pages and more are reported to the host."""


@dataclass(frozen=True)
class Finding:
    """One judged fact: the actual and the expected value, and the command that fixes it."""

    name: str
    state: State
    actual: str
    expected: str
    fix: str | None = None


def inspect() -> Machine:
    """Return the facts of the running system."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return Machine(
        system=platform.system(),
        kernel=platform.release(),
        cpu_model=_cpu_model(),
        cores=len(usable_cores()),
        memory_bytes=_memory_bytes(),
        open_files_soft=soft,
        open_files_hard=hard,
        rmem_max=_number("/proc/sys/net/core/rmem_max"),
        wmem_max=_number("/proc/sys/net/core/wmem_max"),
        udp_segment=_udp_option(_UDP_SEGMENT, 1200),
        udp_gro=_udp_option(_UDP_GRO, 1),
        run_queue_wait=Path("/proc/self/schedstat").exists(),
        free_page_reporting=_free_page_reporting(),
        pagelist_high_fraction=_number("/proc/sys/vm/percpu_pagelist_high_fraction"),
        page_reporting_order=_number(_REPORT_ORDER),
    )


def usable_cores() -> list[int]:
    """Return the cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def raise_open_files(needed: int) -> int:
    """Raise the soft limit of open files towards ``needed``; return the limit in force."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= needed or soft == resource.RLIM_INFINITY:
        return soft
    raised = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
    except (OSError, ValueError):
        return soft
    return raised


def open_files_for(clients: int) -> int:
    """Return the open files that a swarm or a server of so many clients needs."""
    return _OTHER_FILES + _FILES_PER_CLIENT * clients


def clients_for(open_files: int) -> int:
    """Return the clients of a swarm or a server with so many open files."""
    return max(0, open_files - _OTHER_FILES) // _FILES_PER_CLIENT


def open_files_allowed() -> int:
    """Return to which number the limit of open files can be raised."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return sys.maxsize if hard == resource.RLIM_INFINITY else hard


def examine(machine: Machine, clients: int) -> list[Finding]:
    """Return the findings for a run of so many clients."""
    return [
        _open_files(machine, clients),
        _buffer("receive buffer", "net.core.rmem_max", machine.rmem_max),
        _buffer("send buffer", "net.core.wmem_max", machine.wmem_max),
        _offload("UDP segmentation (GSO)", machine.udp_segment, "3 to 6 times the CPU per packet"),
        _offload("UDP coalescing (GRO)", machine.udp_gro, "more CPU per received packet"),
        _cores(machine),
        _free_memory(machine, clients),
        _wait(machine),
    ]


def _open_files(machine: Machine, clients: int) -> Finding:
    expected = open_files_for(clients)
    limit = machine.open_files_hard
    enough = limit == resource.RLIM_INFINITY or limit >= expected
    actual = "unlimited" if limit == resource.RLIM_INFINITY else f"{limit}"
    fix = f"ulimit -Hn {expected}   (as root, or in /etc/security/limits.conf)"
    return Finding(
        "open files",
        "ok" if enough else "bad",
        actual,
        f"{expected} for {clients} clients",
        None if enough else fix,
    )


def _buffer(name: str, key: str, size: int | None) -> Finding:
    expected = f"{_BUFFER_RECOMMENDED} bytes"
    if size is None:
        return Finding(name, "unknown", f"{key} cannot be read", expected)
    state: State = "ok" if size >= _BUFFER_RECOMMENDED else "weak" if size >= _BUFFER_MIN else "bad"
    fix = None if state == "ok" else f"sudo sysctl -w {key}={2 * _BUFFER_RECOMMENDED}"
    return Finding(name, state, f"{key} = {size}", expected, fix)


def _offload(name: str, has: bool | None, cost: str) -> Finding:
    if has is None:
        return Finding(name, "unknown", "unknown on this system", "yes")
    if has:
        return Finding(name, "ok", "yes", "yes")
    return Finding(name, "weak", f"no: {cost}", "yes", "use Linux 5.0 or newer")


def _cores(machine: Machine) -> Finding:
    actual = f"{machine.cores}" + (f" ({machine.cpu_model})" if machine.cpu_model else "")
    enough = machine.cores >= 2
    fix = None if enough else "run the server and the load generator on different machines"
    return Finding("cores", "ok" if enough else "weak", actual, "2 or more", fix)


def _free_memory(machine: Machine, clients: int) -> Finding:
    name, expected = FREE_MEMORY, "free-page reporting off, or per-CPU page lists fixed"
    if machine.free_page_reporting is None:
        return Finding(name, "unknown", "unknown on this system", expected)
    if not machine.free_page_reporting:
        return Finding(name, "ok", "free-page reporting is off", expected)
    host = "free-page reporting is on"
    if machine.pagelist_high_fraction is None:
        return Finding(
            name, "unknown", f"{host}; the kernel has no vm.percpu_pagelist_high_fraction", expected
        )
    fixes = _fixes_of_reporting(machine)
    if not fixes:
        return Finding(name, "ok", f"{host}, for large blocks only", expected)
    if clients <= _CLIENTS_UNHARMED:
        return Finding(name, "ok", f"{host}; no effect on {clients} clients", expected)
    # Pages that leave automatically sized lists are reported (docs/performance.md).
    cost = "sending costs 2 to 3 times the CPU for a second, several times a minute"
    if 1 < machine.cores < ENOUGH_TO_SPLIT:
        cost += " (`sfukit loadtest --pin exchange` avoids it)"
    return Finding(name, "weak", f"{host}: {cost}", expected, "; ".join(fixes))


def _fixes_of_reporting(machine: Machine) -> list[str]:
    """Return the commands, not applied so far, that keep packet pages from being reported."""
    fixes = []
    if machine.pagelist_high_fraction != _LONGEST_PAGELISTS:
        fixes.append(f"sudo sysctl -w vm.percpu_pagelist_high_fraction={_LONGEST_PAGELISTS}")
    if (
        machine.page_reporting_order is not None
        and machine.page_reporting_order < _LARGEST_REPORT_ORDER
    ):
        fixes.append(f"echo {_LARGEST_REPORT_ORDER} | sudo tee {_REPORT_ORDER}")
    return fixes


def _wait(machine: Machine) -> Finding:
    name, expected = "run-queue wait", "readable"
    if machine.run_queue_wait:
        return Finding(name, "ok", "readable", expected)
    return Finding(name, "unknown", "no /proc/PID/schedstat: the cause of lag is unknown", expected)


def _number(path: str) -> int | None:
    try:
        return int(Path(path).read_text())
    except (OSError, ValueError):
        return None


def _free_page_reporting() -> bool | None:
    """Read the features of the virtio balloon: digits, the lowest bit first."""
    if platform.system() != "Linux":
        return None
    try:
        features = [path.read_text() for path in _BALLOONS.glob("virtio*/features")]
    except OSError:
        return None
    return any(bits[_BALLOON_REPORTS_BIT : _BALLOON_REPORTS_BIT + 1] == "1" for bits in features)


def _cpu_model() -> str | None:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or None
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else None


def _memory_bytes() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (OSError, ValueError):
        return None


def _udp_option(option: int, value: int) -> bool | None:
    if platform.system() != "Linux":
        return None
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.setsockopt(socket.IPPROTO_UDP, option, value)
    except OSError:
        return False
    return True
