"""Two linked network namespaces: a client that reaches a TURN server only, and its network.

The namespace of the servers has `sfukit serve` and Debian's coturn with the shipped configuration.
"""

import contextlib
import os
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sfukit.signaling.token import VideoGrants, claims_for, sign
from tests.certificates import self_signed
from tests.interop.coturn import Coturn, coturn
from tests.interop.namespace import Namespace, ip
from tests.interop.server import Server, serving

CLIENT, SERVERS = "10.78.0.1", "10.78.0.2"
CONFIGURATION = Path(__file__).parents[2] / "deploy" / "coturn" / "turnserver.conf"
KEY, KEY_SECRET = "key", "k" * 32
TURN_SECRET = "the secret that coturn and sfukit share"


@dataclass(frozen=True)
class RelayLab:
    """The client's namespace, and what it may reach."""

    client: Namespace
    server: Server
    relay: Coturn
    port: int

    def let_through(self, *rules: str) -> None:
        """Drop all packets of the client but those of signaling and of these rules of nftables."""
        accepted = " ".join(f"{rule} accept;" for rule in (f"tcp dport {self.port}", *rules))
        chain = f"type filter hook output priority 0; policy drop; oif lo accept; {accepted}"
        commands = f"flush ruleset\ntable inet only {{\nchain out {{\n{chain}\n}}\n}}\n"
        subprocess.run(
            [*self.client.prefix, "nft", "-f", "-"], input=commands, text=True, check=True
        )

    def page(self, identity: str) -> str:
        """Return the URL of the demo page with a token."""
        return self.server.url(f"/?access_token={self.token(identity)}")

    @staticmethod
    def token(identity: str) -> str:
        """Return a token for any room."""
        grants = VideoGrants(room_join=True, room_create=True)
        return sign(claims_for(KEY, identity, grants, valid_s=600), KEY_SECRET)


@contextlib.contextmanager
def relay_lab(folder: Path) -> Iterator[RelayLab]:
    """Start both servers; needs root."""
    secret = folder / "turn-secret.txt"
    secret.write_text(TURN_SECRET)
    cert, key = self_signed(folder, f"IP:{SERVERS}")
    with (
        _linked() as (client, servers),
        coturn(
            folder,
            *("--static-auth-secret", TURN_SECRET, "--cert", str(cert), "--pkey", str(key)),
            *("--allowed-peer-ip", SERVERS, "--verbose"),
            host=SERVERS,
            prefix=servers.prefix,
            configuration=CONFIGURATION,
        ) as relay,
        serving(folder, *_options(relay, secret), prefix=servers.prefix) as server,
    ):
        yield RelayLab(client, server, relay, int(server.http.rpartition(":")[2]))


def _options(relay: Coturn, secret: Path) -> Sequence[str]:
    uris = (relay.udp, f"{relay.uri}?transport=tcp", relay.tls)
    turn = (part for uri in uris for part in ("--turn", uri))
    keys = ("--api-key", KEY, "--api-secret", KEY_SECRET)
    return ("--http", f"{SERVERS}:0", *keys, *turn, "--turn-secret", f"@{secret}")


@contextlib.contextmanager
def _linked() -> Iterator[tuple[Namespace, Namespace]]:
    """Create the namespaces of the client and of the servers with a veth pair between them."""
    names = tuple(f"sfukit-{side}-{os.getpid()}" for side in ("client", "servers"))
    with contextlib.ExitStack() as made:
        for name in names:
            ip("netns", "add", name)
            made.callback(ip, "netns", "delete", name)
            ip("-netns", name, "link", "set", "lo", "up")
        peer = ("peer", "name", "eth0", "netns", names[1])
        ip("-netns", names[0], "link", "add", "eth0", "type", "veth", *peer)
        for name, address, other in zip(names, (CLIENT, SERVERS), (SERVERS, CLIENT), strict=True):
            ip("-netns", name, "address", "add", f"{address}/24", "dev", "eth0")
            # an address that is assigned later would be a change of network, which aborts requests
            ip("-netns", name, "link", "set", "eth0", "addrgenmode", "none")
            ip("-netns", name, "link", "set", "eth0", "up")
            ip("-netns", name, "route", "add", "default", "via", other)
        yield Namespace(names[0], CLIENT), Namespace(names[1], SERVERS)
