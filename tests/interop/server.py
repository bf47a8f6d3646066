"""`sfukit serve` as a process."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from sfukit import testing


@dataclass(frozen=True)
class Server:
    """A running server with its URL and media port."""

    http: str
    udp_port: int
    process_id: int
    log: Path

    def kill(self) -> None:
        """Kill the process, as a crash does."""
        os.kill(self.process_id, signal.SIGKILL)

    def url(self, path: str) -> str:
        return f"{self.http}{path}"

    @property
    def websocket(self) -> str:
        return self.http.replace("http", "ws", 1) + "/ws"

    def rooms(self) -> Any:
        """Return `/debug/rooms`."""
        return httpx.get(self.url("/debug/rooms"), trust_env=False).raise_for_status().json()

    def publish_profiles(self, room: str) -> set[str]:
        """Return the SRTP profiles that the publishers of a room negotiated."""
        return {
            participant["transports"]["publish"]["srtp_profile"]
            for entry in self.rooms()["rooms"]
            if entry["room"] == room
            for participant in entry["participants"]
            if participant["transports"].get("publish", {}).get("srtp_profile")
        }

    def published_codecs(self, room: str) -> set[str]:
        """Return the codecs of the connected publishers of a room."""
        return {
            publication["codec"]
            for entry in self.rooms()["rooms"]
            if entry["room"] == room
            for participant in entry["participants"]
            if participant["transports"].get("publish", {}).get("srtp_profile")
            for publication in participant["publications"]
        }

    async def publishes(self, room: str, codec: str) -> None:
        """Wait until a publisher of a codec is connected."""
        for _ in range(200):
            if codec in await asyncio.to_thread(self.published_codecs, room):
                return
            await asyncio.sleep(0.1)
        raise AssertionError(f"no publisher of {codec} is connected: {self.rooms()}")

    async def published(self, room: str) -> set[str]:
        """Wait until a publisher is connected; return the SRTP profiles."""
        for _ in range(200):
            if profiles := await asyncio.to_thread(self.publish_profiles, room):
                return profiles
            await asyncio.sleep(0.1)
        raise AssertionError(f"no publisher is connected: {self.rooms()}")


@contextlib.contextmanager
def serving(
    folder: Path,
    *options: str,
    http_port: int = 0,
    udp_port: int = 0,
    prefix: Sequence[str] = (),
) -> Iterator[Server]:
    """Run a server until the block ends, on free ports by default; `folder` gets its log.

    `prefix` is a command to run it under, such as `ip netns exec NAME`.
    """
    ports = ("--http", f"127.0.0.1:{http_port}", "--udp-port", str(udp_port))
    with testing.serving(folder, *ports, *options, prefix=prefix) as running:
        yield Server(running.url, running.udp_port, running.pid, running.log)
