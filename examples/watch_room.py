"""Print who comes and goes in a room, and what they publish, without receiving any media.

    python examples/watch_room.py ws://127.0.0.1:7080/ws demo

It needs `websockets` alone; docs/protocol.md describes every message.
"""

import asyncio
import contextlib
import json
import sys

from websockets.asyncio.client import connect

WATCHER = "watcher"
WORDS = {
    "participant-joined": "{uid} joined as {role}",
    "participant-left": "{uid} left: {reason}",
    "publication-added": "{uid} shows {source} ({codec} {rids})",
    "publication-removed": "{uid} ended a track: {reason}",
    "publication-muted": "{uid} muted: {muted}",
}


async def watch(url: str, room: str) -> None:
    """Join as audience that subscribes to nothing, and print each notification."""
    join = {"sid": room, "uid": WATCHER, "config": {"role": "audience", "no_subscribe": True}}
    async with connect(url, proxy=None) as socket:
        request = {"jsonrpc": "2.0", "id": 1, "method": "join", "params": join}
        await socket.send(json.dumps(request))
        async for text in socket:
            received = json.loads(text)
            for message in received if isinstance(received, list) else [received]:
                tell(message)


def tell(message: dict) -> None:
    """Print a message that is about people."""
    if "error" in message:
        raise SystemExit(message["error"]["message"])
    if "result" in message:
        print(f"watching {message['result']['sid']}", flush=True)
    elif message["method"] in WORDS and message["params"]["uid"] != WATCHER:
        print(WORDS[message["method"]].format(**message["params"]), flush=True)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(watch(*sys.argv[1:]))
