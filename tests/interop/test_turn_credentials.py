"""coturn accepts the credentials that WHIP, WHEP and rooms get, and none after they expired."""

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from websockets.asyncio.client import connect

from sfukit.signaling.token import VideoGrants, claims_for, sign
from sfukit.turn.credentials import from_secret
from tests.interop import command
from tests.interop.command import CommandResult, Invocation
from tests.interop.coturn import LOOPBACK, coturn
from tests.interop.server import Server, serving
from tests.interop.turn_causes import failure

FIXTURES = Path(__file__).parents[1] / "fixtures"
SECRET = "the secret that coturn shares"
KEY, KEY_SECRET = "key", "k" * 32
SDP = {"Content-Type": "application/sdp"}


class Servers(NamedTuple):
    """`sfukit serve` and the URI of a TURN server of which it hands out credentials."""

    sfu: Server
    uri: str


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    folder = tmp_path_factory.mktemp("turn")
    secret = folder / "secret.txt"
    secret.write_text(SECRET)
    options = ("--use-auth-secret", "--static-auth-secret", SECRET, LOOPBACK)
    with coturn(folder, *options) as relay:
        turn = ("--turn", relay.udp, "--turn-secret", f"@{secret}", "--turn-ttl", "60")
        keys = ("--api-key", KEY, "--api-secret", KEY_SECRET)
        with serving(folder, *turn, *keys) as sfu:
            yield Servers(sfu, relay.udp)


def token(identity: str) -> str:
    grants = VideoGrants(room_join=True, room_create=True)
    return sign(claims_for(KEY, identity, grants, valid_s=60), KEY_SECRET)


def posted(servers: Servers, path: str, fixture: str) -> dict[str, str]:
    """Return the parameters of the `Link` to the TURN server."""
    offer = (FIXTURES / f"{fixture}.sdp").read_bytes()
    headers = SDP | {"Authorization": f"Bearer {token('ann@example:7')}"}
    url = servers.sfu.url(path)
    response = httpx.post(url, content=offer, headers=headers, trust_env=False)
    assert response.status_code == 201, response.text
    [link] = [one for one in response.headers.get_list("link") if "ice-server" in one]
    assert link.startswith(f"<{servers.uri}>; ")
    return dict(re.findall(r'([\w-]+)="([^"]*)"', link))


async def joined(servers: Servers) -> dict[str, str]:
    """Return the TURN server of the result of a join."""
    url = f"{servers.sfu.websocket}?access_token={token('ann@example:7')}"
    async with connect(url, proxy=None) as socket:
        join: dict[str, Any] = {"id": 1, "method": "join", "params": {"sid": "stage"}}
        await socket.send(json.dumps({"jsonrpc": "2.0", **join}))
        async for text in socket:
            message = json.loads(text)
            if isinstance(message, dict) and "result" in message:
                [server] = message["result"]["ice_servers"]
                assert server["urls"] == servers.uri
                return dict(server)
    raise AssertionError("no result")


def probed(servers: Servers, username: str, password: str, folder: Path) -> CommandResult:
    login = ("--user", username, "--password", password)
    return command.run("turn-probe", Invocation([servers.uri, *login]), folder)


async def test_credentials_of_each_protocol_relay(servers: Servers, tmp_path: Path) -> None:
    given = [
        posted(servers, "/whip/stage", "chromium-simulcast-offer"),
        posted(servers, "/whep/stage", "chromium-viewer-offer"),
        await joined(servers),
    ]
    users = {one["username"].partition(":")[2] for one in given}
    assert len(users) == 1  # of one identity: quotas count its connections together
    for one in given:
        result = await asyncio.to_thread(
            probed, servers, one["username"], one["credential"], tmp_path
        )
        assert result.exit_code == 0, result.text


def test_a_changed_or_expired_credential_does_not(servers: Servers, tmp_path: Path) -> None:
    given = posted(servers, "/whip/other", "chromium-simulcast-offer")
    expiry, _, user = given["username"].partition(":")
    longer = probed(servers, f"{int(expiry) + 1}:{user}", given["credential"], tmp_path)
    assert failure(longer) == ("auth", "wrong_password_or_secret")
    expired = from_secret(SECRET, user, int(expiry) - 86_400)
    refused = probed(servers, expired.username, expired.password, tmp_path)
    assert failure(refused) == ("auth", "credential_expired")
