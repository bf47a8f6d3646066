"""Where am I: recorded facts of containers, VPNs, virtual machines, IPv6-only networks."""

import ipaddress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfukit.errors import UsageError
from sfukit.probe.environment import certificate, judge, nat64, portal, pref64, proxy
from sfukit.probe.environment import facts as where_facts
from sfukit.probe.environment.facts import Facts, Interface, Route
from sfukit.probe.environment.proxy import Proxy

HOME = Facts(
    kernel="6.1.0",
    interfaces=[Interface(name="eth0", ip="192.168.1.9", prefix=24)],
    routes=[
        Route(interface="eth0", prefix=0, gateway="192.168.1.1", metric=100),
        Route(interface="eth0", prefix=24, gateway=None),
    ],
    ipv4=True,
    ipv6=True,
)


def on(ip: str, prefix: int, gateway: str | None, **more: object) -> Facts:
    default = Route(interface="eth0", prefix=0, gateway=gateway)
    return msgspec.structs.replace(
        HOME,
        interfaces=[Interface(name="eth0", ip=ip, prefix=prefix)],
        routes=[default],
        **more,
    )


def with_tunnel(name: str, *routes: Route) -> Facts:
    return msgspec.structs.replace(
        HOME,
        interfaces=[*HOME.interfaces, Interface(name=name, ip="10.8.0.2", prefix=24)],
        routes=[*(HOME.routes or ()), *routes],
    )


def by(interface: str, prefix: int, metric: int = 0) -> Route:
    return Route(interface=interface, prefix=prefix, gateway="10.8.0.1", metric=metric)


@pytest.mark.parametrize(
    ("facts", "names"),
    [
        (HOME, []),
        (on("172.17.0.2", 16, "172.17.0.1", container="Docker"), ["container_bridge"]),
        (on("192.168.1.9", 24, "192.168.1.1", container="Docker"), ["container"]),
        (on("10.88.0.2", 16, "10.88.0.1", container="Podman"), ["container"]),
        (on("172.20.1.2", 20, "172.20.1.1", kernel="5.15-microsoft-standard-WSL2"), ["wsl2"]),
        (on("10.0.2.15", 24, "10.0.2.2"), ["vm_nat"]),
        (on("192.168.9.8", 24, "192.168.9.2", product="VMware Virtual Platform"), ["vm_nat"]),
        (on("100.72.0.9", 10, "100.64.0.1"), ["cgnat_address"]),
        (on("192.0.0.4", 29, None), ["464xlat"]),
        (with_tunnel("wg0", by("wg0", 0)), ["vpn_default", "several_default_routes"]),
        (with_tunnel("tun0", by("tun0", 1)), ["vpn_default"]),
        (with_tunnel("tailscale0"), ["split_tunnel"]),
        (with_tunnel("eth1", by("eth1", 0, metric=200)), ["several_default_routes"]),
        (msgspec.structs.replace(HOME, ipv4=False), ["ipv4_absent"]),
        (msgspec.structs.replace(HOME, ipv4=False, ipv6=False), ["no_network"]),
        (msgspec.structs.replace(HOME, routes=None), []),
    ],
)
def test_the_findings_of_an_environment(facts: Facts, names: list[str]) -> None:
    assert [finding.name for finding in judge.examine(facts)] == names


def test_the_router_is_that_of_the_address_which_is_sent_from() -> None:
    facts = with_tunnel("wg0", by("wg0", 1))
    assert facts.gateway_of("192.168.1.9") == "192.168.1.1"
    assert facts.gateway_of("10.8.0.2") == "10.8.0.1"
    assert facts.gateway_of("192.0.2.1") is None
    assert with_tunnel("wg0").gateway_of("10.8.0.2") is None
    second = Interface(name="eth0:1", ip="192.168.1.10", prefix=24)
    named = msgspec.structs.replace(HOME, interfaces=[*HOME.interfaces, second])
    assert named.gateway_of("192.168.1.10") == "192.168.1.1"


def test_docker_has_a_fix() -> None:
    (finding,) = judge.examine(on("172.17.0.2", 16, "172.17.0.1", container="Docker"))
    assert finding.text == "Docker bridge 172.17.0.0/16: the measured NAT is Docker's"
    assert finding.fix == "use --network host to measure the machine's own NAT"


def test_the_routing_table_of_linux_is_read() -> None:
    table = (
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
        "eth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n"
        "eth0\t0001A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n"
        "eth1\t00000000\t0101A8C0\t0002\t0\t0\t100\t00000000\t0\t0\t0\n"  # down
        "nonsense\n"
    )
    assert where_facts.read_routes(table) == [
        Route(interface="eth0", prefix=0, gateway="192.168.1.1", metric=100),
        Route(interface="eth0", prefix=24, gateway=None, metric=100),
    ]


def test_the_real_machine_is_read() -> None:
    facts = where_facts.read()
    assert facts.kernel
    assert any(each.ip == "127.0.0.1" for each in facts.interfaces)


@pytest.mark.parametrize(
    ("address", "prefix"),
    [
        ("64:ff9b::192.0.0.170", "64:ff9b::/96"),
        ("64:ff9b::192.0.0.171", "64:ff9b::/96"),
        ("2001:db8:c000:aa::", "2001:db8::/32"),
        ("2001:db8:1c0:0:aa::", "2001:db8:100::/40"),
        ("2001:db8:122:c000:0:aa00::", "2001:db8:122::/48"),
        ("2001:db8:122:3c0:0:aa::", "2001:db8:122:300::/56"),
        ("2001:db8:122:344:c0:0:aa00::", "2001:db8:122:344::/64"),
        ("2001:db8::1", None),
    ],
)
def test_the_prefix_of_nat64_is_found_at_every_length(address: str, prefix: str | None) -> None:
    assert nat64.prefix([address]) == prefix


def test_the_proxy_is_the_one_that_a_browser_would_use() -> None:
    environ = {
        "HTTPS_PROXY": "http://ann:s%20x@proxy.example:8080",
        "NO_PROXY": "corp.example,.b.org",
    }
    found = proxy.of_environment("stun.example.org", environ)
    assert found == Proxy("proxy.example", 8080, "ann:s x")
    assert "s x" not in str(found)
    for spared in ("corp.example", "a.corp.example", "x.b.org", "localhost", "127.0.0.1", "::1"):
        assert proxy.of_environment(spared, environ) is None
    assert proxy.of_environment("notcorp.example", environ) is not None
    assert proxy.of_environment("a", {"https_proxy": "http://p:1", "no_proxy": "*"}) is None
    assert proxy.of_environment("a", {}) is None


def test_refusals_of_a_proxy_are_distinguished() -> None:
    assert "credentials" in proxy.refusal(407, 3478)
    assert "refuses port 3478" in proxy.refusal(403, 3478)
    assert proxy.read_status(b"HTTP/1.1 200 OK\r\n\r\n") == 200
    for nonsense in (b"", b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1 abc"):
        with pytest.raises(proxy.ProxyRefusalError):
            proxy.read_status(nonsense)
    with pytest.raises(UsageError):
        proxy.parse("https://host:1")


def advertisement(*options: bytes) -> bytes:
    return bytes((134, 0, 0, 0)) + bytes(12) + b"".join(options)


def announced(prefix: str, code: int) -> bytes:
    head = bytes((38, 2)) + ((600 << 3 & 0xFFF8) | code).to_bytes(2, "big")
    return head + ipaddress.IPv6Address(prefix).packed[:12]


@pytest.mark.parametrize(
    ("data", "prefix"),
    [
        (advertisement(announced("64:ff9b::", 0)), "64:ff9b::/96"),
        (advertisement(bytes((1, 1)) + bytes(6), announced("2001:db8::", 5)), "2001:db8::/32"),
        (advertisement(announced("64:ff9b::", 7)), None),
        (advertisement(bytes((38, 0))), None),
        (advertisement(announced("64:ff9b::", 0)[:-1]), None),
        (advertisement(), None),
        (b"", None),
        (bytes(40), None),
    ],
)
def test_the_prefix_that_a_router_announces_is_read(data: bytes, prefix: str | None) -> None:
    assert pref64.read(data) == prefix


@pytest.mark.parametrize(
    ("answer", "is_portal"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\nsuccess\n", False),
        (b"HTTP/1.1 200 OK\r\n\r\n<html>Welcome to the hotel</html>", True),
        (b"HTTP/1.1 302 Found\r\nLocation: http://login.hotel/\r\n\r\n", True),
        (b"HTTP/1.1 511 Network Authentication Required\r\n\r\n", True),
        (b"HTTP/1.1 404 Not Found\r\n\r\n", None),
        (b"SSH-2.0-x", None),
        (b"", None),
    ],
)
def test_a_captive_portal_is_known_by_its_answer(answer: bytes, is_portal: bool | None) -> None:
    assert portal.judge(answer) is is_portal


def element(tag: int, *values: bytes) -> bytes:
    value = b"".join(values)
    head = bytes((len(value),)) if len(value) < 128 else bytes((0x81, len(value)))
    return bytes((tag,)) + head + value


def name(**parts: str) -> bytes:
    oids = {"O": b"\x55\x04\x0a", "CN": b"\x55\x04\x03", "C": b"\x55\x04\x06"}
    return element(
        0x30,
        *(
            element(0x31, element(0x30, element(0x06, oids[k]), element(0x0C, v.encode())))
            for k, v in parts.items()
        ),
    )


def test_the_issuer_of_an_untrusted_certificate_is_named() -> None:
    body = (element(0x02, b"\1"), element(0x30), name(C="XX", O="Corp", CN="Corp Inspection CA"))
    old = element(0x30, element(0x30, *body))
    new = element(0x30, element(0x30, element(0xA0, element(0x02, b"\2")), *body))
    for der in (old, new):
        assert certificate.issuer(der) == "Corp, Corp Inspection CA"


@given(st.binary(max_size=120))
def test_no_bytes_from_the_network_do_harm(data: bytes) -> None:
    pref64.read(data)
    pref64.read(advertisement(data))
    portal.judge(data)
    certificate.issuer(data)
    certificate.issuer(element(0x30, element(0x30, data)))
