"""Names and addresses as users give them, and name servers that do not answer."""

import asyncio
from typing import Any

import pytest

from sfukit.probe.resolve import Endpoint, UnresolvedError, resolve


async def test_the_timeout_of_a_silent_name_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def never(*_: Any, **__: Any) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", never)
    with pytest.raises(UnresolvedError, match="no name server answers"):
        async with asyncio.timeout(2):
            await resolve(Endpoint("stun.example", 3478), timeout_s=0.01)
