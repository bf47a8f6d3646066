"""A network namespace with one interface and no route out of it."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

ADDRESS = "10.77.0.1"


@dataclass(frozen=True)
class Namespace:
    """A network namespace; `prefix` runs a command in it."""

    name: str
    address: str

    @property
    def prefix(self) -> tuple[str, ...]:
        return ("ip", "netns", "exec", self.name)

    def firewall(self, rules: str) -> None:
        """Filter inbound packets by rules of nftables."""
        head = "type filter hook input priority 0"
        table = f"table inet block {{ chain in {{\n{head}; {rules}\n}}\n}}\n"
        subprocess.run([*self.prefix, "nft", table], check=True)


@contextlib.contextmanager
def namespace() -> Iterator[Namespace]:
    """Create a namespace with loopback and a veth interface at `ADDRESS`; needs root."""
    name = f"sfukit-{os.getpid()}"
    ip("netns", "add", name)
    try:
        inside = ("-netns", name)
        ip(*inside, "link", "set", "lo", "up")
        # both ends are inside: the interface has a carrier, and no route out
        ip(*inside, "link", "add", "eth0", "type", "veth", "peer", "name", "eth1")
        ip(*inside, "address", "add", f"{ADDRESS}/24", "dev", "eth0")
        for device in ("eth0", "eth1"):
            ip(*inside, "link", "set", device, "up")
        ip(*inside, "route", "add", "default", "dev", "eth0")
        yield Namespace(name, ADDRESS)
    finally:
        ip("netns", "delete", name)


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)
