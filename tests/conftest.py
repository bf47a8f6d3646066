"""What every kind of test shares."""

import os
import shutil
from collections.abc import Callable

import pytest

REQUIRED = "SFUKIT_REQUIRE_EXTERNAL"
"""Set in CI: a missing external program is then a failure, never a skip."""


def absent(what: str, how: str) -> None:
    """Skip the test, or fail it where external programs are required."""
    message = f"{what} is not here; {how}"
    if os.environ.get(REQUIRED):
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="session")
def program() -> Callable[[str, str], str]:
    """Find an external program by name; the second argument says how to get it."""

    def find(name: str, how: str) -> str:
        path = shutil.which(name)
        if path is None:
            absent(name, how)
        return str(path)

    return find
