"""Print joins, leaves and publications of a room, without subscribing to any media.

    python examples/watch_room.py ws://127.0.0.1:7080/ws demo

It needs `websockets` alone; docs/protocol.md describes every message.
"""

import asyncio
import contextlib
import json
import sys

from websockets.asyncio.client import connect

WATCHER = "watcher"
TEXTS = {
    "participant-joined": "{uid} joined as {role}",
    "participant-left": "{uid} left: {reason}",
    "publication-added": "{uid} published {source} ({codec} {rids})",
    "publication-removed": "{uid} unpublished a track: {reason}",
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
                print_notification(message)


def print_notification(message: dict) -> None:
    """Print a notification about a participant or a publication."""
    if "error" in message:
        raise SystemExit(message["error"]["message"])
    if "result" in message:
        print(f"watching {message['result']['sid']}", flush=True)
    elif message["method"] in TEXTS and message["params"]["uid"] != WATCHER:
        print(TEXTS[message["method"]].format(**message["params"]), flush=True)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(watch(*sys.argv[1:]))
