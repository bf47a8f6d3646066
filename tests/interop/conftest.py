"""Fixtures: a server for each test module, and Chromium."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from tests.interop.browser import ON_LOOPBACK, WITH_CAMERA, Browser, chromium
from tests.interop.server import Server, serving


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    folder = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(folder):
            item.add_marker(pytest.mark.interop)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture
def chromium_program(program: Callable[[str, str], str]) -> str:
    return program("chromium", "on Debian: apt-get install chromium")


@pytest.fixture
async def browser(chromium_program: str) -> AsyncIterator[Browser]:
    async with chromium(chromium_program, ON_LOOPBACK, *WITH_CAMERA) as running:
        yield running
