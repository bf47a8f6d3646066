"""The installed probe behind real NATs: namespaces and nftables; needs root (Linux)."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from sfukit.errors import UsageError
from sfukit.probe.natlab import netns, process
from sfukit.probe.natlab.netns import Topology
from sfukit.probe.stunserver.run import Settings

pytestmark = pytest.mark.network_namespace

ROOT = Path(__file__).parents[2]
RUNS = 2


@asynccontextmanager
async def lab(*kinds: str) -> AsyncIterator[Topology]:
    async with netns.topology(*kinds) as world:
        with process.stun_server(world.server, Settings(netns.SERVER_IPS)):
            yield world


async def probe(world: Topology, *options: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "sfukit", "nat-probe", f"stun:{netns.SERVER_IPS[0]}"]
    out = await asyncio.create_subprocess_exec(
        *netns.inside(world.client, *command, *options, "--json", "-"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    text, said = await out.communicate()
    assert out.returncode in (0, 3, 4, 5), said.decode()
    document: dict[str, Any] = json.loads(text)
    return document


async def setting(router: str, name: str, value: object) -> None:
    await netns.run(*netns.inside(router, "sh", "-c", f"echo {value} > /proc/sys/{name}"))


def test_every_kind_is_classified_with_and_without_loss() -> None:
    run = subprocess.run(
        [sys.executable, "tools/nat_kinds.py", "--runs", str(RUNS)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    wanted = RUNS * 2 * len(netns.kinds())
    assert f"{wanted} of {wanted} right" in run.stdout


async def test_a_world_leaves_nothing_behind() -> None:
    async with netns.topology("port-restricted", "cgnat:symmetric-random", "open") as world:
        names = [world.server, *(n for s in world.sides for n in (s.client, *s.routers))]
        listed = await netns.run("ip", "netns", "list")
        assert all(name in listed for name in names)
        assert len({side.public_ip for side in world.sides}) == 3
    listed = await netns.run("ip", "netns", "list")
    assert not any(name in listed for name in names)


async def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(UsageError, match="no such NAT kind"):
        async with netns.topology("cgnat:magic"):
            pass


async def test_the_lifetime_of_a_mapping_is_found_between_its_borders() -> None:
    async with lab("port-restricted") as world:
        router = world.sides[0].routers[0]
        await setting(router, "net/netfilter/nf_conntrack_udp_timeout", 7)
        await setting(router, "net/netfilter/nf_conntrack_udp_timeout_stream", 12)
        report = await probe(world, "--tests", "lifetime", "--lifetime-max", "20s")
    oneshot, warm = report["lifetime"]["oneshot"], report["lifetime"]["warm"]
    assert (oneshot["at_least_s"], oneshot["below_s"]) == (5, 10)
    assert (warm["at_least_s"], warm["below_s"]) == (10, 15)
    assert report["lifetime"]["inbound_refresh"] == "yes"
    assert report["works"]["keepalive_s"] == 2


async def test_a_narrow_path_is_measured_each_way() -> None:
    async with lab("port-restricted") as world:
        await netns.run(
            *netns.inside(world.sides[0].routers[0], *["ip", "link", "set", "wan", "mtu", "1380"])
        )
        report = await probe(world, "--tests", "mtu,frag")
    assert report["mtu"]["up"] == 1380
    assert report["mtu"]["icmp"] is True


async def test_a_path_that_drops_fragments_is_reported() -> None:
    async with lab("port-restricted") as world:
        rules = (
            "table ip cut {\nchain through {\ntype filter hook prerouting priority -450;\n"
            "iifname lan ip frag-off & 0x3fff != 0 drop\n}\n}"
        )
        await netns.run(*netns.inside(world.sides[0].routers[0], "nft", "-f", "-"), stdin=rules)
        report = await probe(world, "--tests", "frag")
    assert report["fragments"]["up"] == "no"
    assert report["fragments"]["down"] == "yes"


async def test_a_local_firewall_that_forbids_udp_is_named() -> None:
    async with lab("open") as world:
        rules = (
            "table ip here {\nchain out {\ntype filter hook output priority 0;\n"
            "meta l4proto udp drop\n}\n}"
        )
        await netns.run(*netns.inside(world.client, "nft", "-f", "-"), stdin=rules)
        report = await probe(world, "--quick")
    assert (report["works"]["udp"], report["exit_code"]) == ("blocked", 3)
    assert report["confidence"] == "high"
    assert "own firewall" in report["reason"]


async def test_no_network_at_all_is_said() -> None:
    async with lab("open") as world:
        await netns.run(*netns.inside(world.client, *["ip", "link", "set", "eth0", "down"]))
        report = await probe(world, "--quick")
    assert report["exit_code"] == 4
    assert report["environment"][-1]["name"] == "no_network"


async def test_a_carriers_router_is_evidence_of_carrier_nat() -> None:
    async with lab("cgnat:port-restricted") as world:
        report = await probe(world, "--tests", "path")
    assert report["path"]["cgnat"] == "yes"
    assert report["path"]["hops"] == ["10.0.0.1", "100.64.0.1"]


MINIUPNPD = """
ext_ifname=wan
ext_ip=9.9.9.9
listening_ip=lan
enable_upnp=yes
enable_natpmp=yes
allow 1024-65535 10.0.0.0/24 1024-65535
uuid=00000000-0000-0000-0000-000000000000
"""  # it refuses outer addresses of documentation networks


# The chains that it puts its mappings into.
MINIUPNPD_CHAINS = """
table inet filter {
  chain miniupnpd {}
  chain prerouting_miniupnpd {}
  chain postrouting_miniupnpd {}
  chain forward { type filter hook forward priority 0; jump miniupnpd; }
  chain prerouting { type nat hook prerouting priority -100; jump prerouting_miniupnpd; }
  chain postrouting { type nat hook postrouting priority 100; jump postrouting_miniupnpd; }
}
"""


ASK_BY_PCP = """
import asyncio
from sfukit.probe.portmap.pmp import request_pcp
print(asyncio.run(request_pcp("10.0.0.1", "10.0.0.2")).external_ip)
"""


async def test_a_router_that_maps_ports_tells_its_outer_address(
    program: Callable[[str, str], str], tmp_path: Path
) -> None:
    daemon = program("miniupnpd", "on Debian: apt-get install miniupnpd-nftables")
    settings = tmp_path / "settings"
    settings.write_text(MINIUPNPD)
    async with lab("port-restricted") as world:
        router = world.sides[0].routers[0]
        for ports in ("udp dport {1900, 5351}", "tcp dport 1024-65535"):
            rule = f"insert rule ip lab itself iifname lan {ports} accept"
            await netns.run(*netns.inside(router, "nft", rule))
        await netns.run(*netns.inside(router, "nft", "-f", "-"), stdin=MINIUPNPD_CHAINS)
        running = await asyncio.create_subprocess_exec(
            *netns.inside(router, daemon, "-d", "-f", str(settings), "-P", str(tmp_path / "pid")),
            stderr=asyncio.subprocess.PIPE,
        )
        assert running.stderr is not None
        async with asyncio.timeout(10):
            while b"listening on port" not in await running.stderr.readline():
                assert not running.stderr.at_eof()
        try:
            report = await probe(world, "--tests", "portmap,path")
            by_pcp = await netns.run(*netns.inside(world.client, sys.executable, "-c", ASK_BY_PCP))
        finally:
            running.terminate()
            await running.communicate()
    portmap = report["portmap"]
    assert portmap["upnp"]["external_ip"] == "9.9.9.9"
    assert portmap["pmp"]["external_ip"] == "9.9.9.9"
    assert by_pcp.strip() == "9.9.9.9"
    assert report["path"]["cgnat"] == "unknown"  # the router's word against the hops


async def test_an_sfu_port_behind_a_firewall_for_high_ports_is_not_claimed() -> None:
    async with lab("port-restricted") as world:
        rule = "insert rule ip lab through udp dport > 10000 iifname lan drop"
        await netns.run(*netns.inside(world.sides[0].routers[0], "nft", rule))
        report = await probe(world, "--tests", "ports")
    assert report["works"]["sfu_udp"] == "unknown"
    assert report["works"]["open_ports"] == [3478]


@pytest.mark.parametrize(
    ("target", "mapping"),
    [(["MASQUERADE"], "EIM"), (["MASQUERADE", "--random-fully"], "APDM")],
)
async def test_nats_of_iptables_are_classified_as_those_of_nftables(
    program: Callable[[str, str], str], target: list[str], mapping: str
) -> None:
    iptables = program("iptables", "on Debian: apt-get install iptables")
    async with lab("port-restricted") as world:
        router = world.sides[0].routers[0]
        for command in (
            ("nft", "delete", "table", "ip", "lab"),
            (iptables, "-P", "INPUT", "DROP"),
            (iptables, "-t", "nat", "-A", "POSTROUTING", "-o", "wan", "-j", *target),
        ):
            await netns.run(*netns.inside(router, *command))
        report = await probe(world, "--tests", "filtering,alloc")
    assert (report["nat"]["mapping"], report["nat"]["filtering"]) == (mapping, "APDF")
    assert report["nat"]["port_preservation"] is (mapping == "EIM")


async def test_an_interrupted_run_reports_what_it_has(tmp_path: Path) -> None:
    written = tmp_path / "report.json"
    async with lab("port-restricted") as world:
        command = [sys.executable, "-m", "sfukit", "nat-probe", f"stun:{netns.SERVER_IPS[0]}"]
        running = await asyncio.create_subprocess_exec(
            *netns.inside(world.client, *command, "--tests", "lifetime", "--json", str(written)),
            *("--every", "1s", "-v"),
            stdout=asyncio.subprocess.PIPE,
        )
        # the server sees the last of the questions that begin the long silence
        try:
            async with asyncio.timeout(30):
                while await _asked(world) < 30:
                    assert running.returncode is None
                    await asyncio.sleep(0.05)
            running.send_signal(signal.SIGINT)
            await running.communicate()
        finally:
            if running.returncode is None:
                running.kill()
                await running.communicate()
    assert running.returncode == 130
    report = json.loads(written.read_text())
    assert (report["verdict"], report["exit_code"]) == ("inconclusive", 130)
    assert report["nat"]["mapping"] == "EIM"


async def _asked(world: Topology) -> int:
    """Count the datagrams that the router has let out."""
    text = await netns.run(
        *netns.inside(world.sides[0].routers[0], "cat", "/sys/class/net/wan/statistics/tx_packets")
    )
    return int(text)


OPEN = """
NAT      none: servers see this machine's own address; inbound packets are not filtered (EIF)
Public   198.51.100.2 (this machine's own)   IPv6: none
P2P      yes: every kind of peer
SFU      likely: UDP reaches 3478, 443 and 50000; your SFU's port not tested (--sfu)
TURN     not needed
Confidence high (4/4 destinations, 0 lost)
"""
HOME = """
NAT      port-restricted cone (EIM / APDF), preserves ports
Public   203.0.113.101 (no CGNAT: the first router owns this address)   IPv6: none
P2P      yes: cone peers   no: symmetric peers -> TURN
SFU      likely: UDP reaches 3478, 443 and 50000; your SFU's port not tested (--sfu)
TURN     needed for symmetric peers only
Do       keep a TURN server for peers behind symmetric NATs; a public SFU needs none
Confidence high (4/4 destinations, 0 lost)
"""
CARRIER = """
NAT      symmetric (APDM / APDF), random ports
Public   203.0.113.101 (behind CGNAT: 100.64.0.1 on the way is a carrier's, RFC 6598)   IPv6: none
P2P      yes: peers that filter by address at most   no: port-restricted, symmetric -> TURN
SFU      likely: UDP reaches 3478, 443 and 50000; your SFU's port not tested (--sfu)
TURN     needed for most peers at home (port-restricted and symmetric)
Do       give browsers a TURN server; ICE cannot traverse this mapping directly
Confidence medium (4/4 destinations, 0 lost; filtering inferred from missing answers alone)
"""
BLOCKED = """
UDP      blocked: the server answers STUN over TCP and none of seven requests over UDP
P2P      no: a relay is needed
SFU      no: UDP is blocked
TURN     needed always, over TCP or TLS
Do       allow outbound UDP 3478 and your SFU's media range, or offer TURN over TLS on 443
"""


@pytest.mark.parametrize(
    ("kind", "screen"),
    [
        ("open", OPEN),
        ("port-restricted", HOME),
        ("cgnat:symmetric-random", CARRIER),
        ("udp-blocked", BLOCKED),
    ],
)
async def test_the_screen_of_four_networks_is_there_in_five_seconds(kind: str, screen: str) -> None:
    async with lab(kind) as world:
        command = [sys.executable, "-m", "sfukit", "nat-probe", f"stun:{netns.SERVER_IPS[0]}"]
        started = time.monotonic()
        running = await asyncio.create_subprocess_exec(
            *netns.inside(world.client, *command), stdout=asyncio.subprocess.PIPE
        )
        out, _ = await running.communicate()
        took_s = time.monotonic() - started
    # where this machine stands is its own affair: a container says so
    lines = [line for line in out.decode().splitlines() if not line.startswith("Network")]
    assert lines == screen.strip().splitlines()
    assert took_s < 5  # about three of them are silence, waited out
