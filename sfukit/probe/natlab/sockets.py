"""UDP sockets inside network namespaces, used from outside of them (Linux, root).

A socket belongs for good to the namespace that its thread was in when it was made. So a thread
enters the namespace, opens sockets and ends; the probes themselves run in one process.
"""

import ctypes
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

from sfukit.errors import MachineError

_CLONE_NEWNET = 0x40000000  # linux/sched.h
_NAMESPACES = Path("/run/netns")


def opened(namespace: str, ip: str, ports: list[int]) -> list[socket.socket]:
    """Open one socket per port on an address of the namespace; 0 is any port."""
    made: list[socket.socket] = []
    fault: list[OSError] = []

    def work() -> None:
        try:
            _enter(namespace)
            made.extend(_bound(ip, port) for port in ports)
        except OSError as error:
            fault.append(error)

    _in_thread(work)
    if fault:
        raise MachineError(
            f"namespace {namespace}: {fault[0].strerror}", hint="network namespaces need root"
        )
    return made


def _in_thread(work: Callable[[], None]) -> None:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def _enter(namespace: str) -> None:
    handle = os.open(_NAMESPACES / namespace, os.O_RDONLY)
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.setns(handle, _CLONE_NEWNET) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
    finally:
        os.close(handle)


def _bound(ip: str, port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setblocking(False)
    made.bind((ip, port))
    return made
