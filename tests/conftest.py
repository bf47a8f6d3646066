"""Fixtures and hooks of all tests."""

import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterable
from typing import Any

import pytest

REQUIRED = "SFUKIT_REQUIRE_EXTERNAL"
"""Set in CI: a missing external program is then a failure, never a skip."""


def absent(what: str, how: str) -> None:
    """Skip the test, or fail it where external programs are required."""
    message = f"{what} is not here; {how}"
    if os.environ.get(REQUIRED):
        pytest.fail(message)
    pytest.skip(message)


def find_program(name: str, how: str) -> str:
    """Find an external program by name; `how` says how to get it."""
    path = shutil.which(name)
    if path is None:
        absent(name, how)
    return str(path)


@pytest.fixture(scope="session")
def program() -> Callable[[str, str], str]:
    """Return the fixture that requires an external program."""
    return find_program


def pytest_configure() -> None:
    """Take SIGINT where it is ignored: shells without job control start background jobs so.

    Programs that the tests start inherit it, and would not end when they are interrupted.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip tests marked `network_namespace` where namespaces cannot be created."""
    if item.get_closest_marker("network_namespace") is None:
        return
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        absent("a lab of network namespaces", "run as root on Linux")
    find_program("ip", "on Debian: apt-get install iproute2")
    find_program("nft", "on Debian: apt-get install nftables")


def in_namespaces(cases: Iterable[Any]) -> list[Any]:
    """Make parameters of cases: each by its `name`, marked where it `needs_namespace`."""
    mark = pytest.mark.network_namespace
    return [
        pytest.param(one, id=one.name, marks=[mark] if one.needs_namespace else []) for one in cases
    ]
