"""Port-mapping protocols by recorded transactions, and routers that lie."""

import asyncio
import ipaddress
import socket
import time
from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfukit.probe.environment.facts import Facts, Interface, Route
from sfukit.probe.nat import measure
from sfukit.probe.nat.context import Context
from sfukit.probe.nat.options import Options
from sfukit.probe.portmap import pmp, run, upnp

NONCE = bytes(range(12))
EXTERNAL = ipaddress.IPv4Address("198.51.100.7")


def pcp_answer(result: int = 0, nonce: bytes = NONCE) -> bytes:
    head = pack("!BBBBII", 2, 0x81, 0, result, 10, 77) + bytes(12)
    mapped = ipaddress.IPv6Address(f"::ffff:{EXTERNAL}").packed
    return head + nonce + pack("!B3xHH", 17, 5000, 5000) + mapped


@pytest.mark.parametrize(
    ("data", "external", "error"),
    [
        (pack("!BBHI", 0, 128, 0, 99) + EXTERNAL.packed, str(EXTERNAL), None),
        (pack("!BBHI", 0, 128, 2, 99) + bytes(4), None, "not authorized"),
        (pack("!BBHI", 2, 128, 1, 99), None, "unsupported version"),
        (b"\0\x80", None, "nonsense"),
        (b"hello, world", None, "nonsense"),
    ],
)
def test_answers_of_nat_pmp(data: bytes, external: str | None, error: str | None) -> None:
    answer = pmp.read_pmp(data)
    assert (answer.answered, answer.external_ip, answer.error) == (True, external, error)


@pytest.mark.parametrize(
    ("data", "external", "error"),
    [
        (pcp_answer(), str(EXTERNAL), None),
        (pcp_answer(result=2), None, "not authorized"),
        (pcp_answer(result=8), None, "out of resources"),
        (pcp_answer(nonce=bytes(12)), None, "nonsense"),  # of another client
        (pcp_answer()[:40], None, "nonsense"),
        (pack("!BBHI", 0, 128, 1, 99), None, "unsupported version"),
        (b"", None, "nonsense"),
    ],
)
def test_answers_of_pcp(data: bytes, external: str | None, error: str | None) -> None:
    answer = pmp.read_pcp(data, NONCE)
    assert (answer.answered, answer.external_ip, answer.error) == (True, external, error)


def test_a_request_of_pcp_has_the_layout_of_its_rfc() -> None:
    request = pmp.pcp_request("192.168.1.9", 5000, NONCE, 10)
    assert len(request) == 60
    assert request[:8] == pack("!BBHI", 2, 1, 0, 10)
    assert request[24:36] == NONCE
    assert request[40:44] == pack("!HH", 5000, 0)


@given(st.binary(max_size=100))
def test_no_bytes_from_a_gateway_do_harm(data: bytes) -> None:
    assert pmp.read_pmp(data).answered
    assert pmp.read_pcp(data, NONCE).answered
    upnp.location_of(data, "192.168.1.1")
    upnp.read_external(data.decode(errors="replace"))


SSDP = b"HTTP/1.1 200 OK\r\nST: x\r\nLOCATION: http://192.168.1.1:5000/root.xml\r\n\r\n"
ROOT = """<root><device><serviceList><service>
<serviceType>urn:schemas-upnp-org:service:Layer3Forwarding:1</serviceType>
<controlURL>/ctl/L3F</controlURL></service></serviceList><deviceList><device><serviceList><service>
<serviceType>urn:schemas-upnp-org:service:WANIPConnection:1</serviceType>
<serviceId>urn:upnp-org:serviceId:WANIPConn1</serviceId><controlURL>/ctl/IPConn</controlURL>
</service></serviceList></device></deviceList></device></root>"""
LOCATION = "http://192.168.1.1:5000/root.xml"


def test_a_location_is_believed_only_about_who_answers() -> None:
    assert upnp.location_of(SSDP, "192.168.1.1") == LOCATION
    assert upnp.location_of(SSDP, "192.168.1.66") is None
    assert upnp.location_of(SSDP.replace(b"http:", b"file:"), "192.168.1.1") is None


@pytest.mark.parametrize(
    "location", [b"http://[x", b"http://192.168.1.1:99999/", b"http://192.168.1.1:http/"]
)
def test_an_invalid_location_is_ignored(location: bytes) -> None:
    data = SSDP.replace(LOCATION.encode(), location)
    assert upnp.location_of(data, "192.168.1.1") is None


def test_the_service_that_knows_the_address_is_found_on_the_same_host_alone() -> None:
    kind, url = upnp.control(ROOT, LOCATION) or ("", "")
    assert kind.endswith("WANIPConnection:1")
    assert url == "http://192.168.1.1:5000/ctl/IPConn"
    assert upnp.control(ROOT.replace("/ctl/IPConn", "http://10.0.0.1/x"), LOCATION) is None
    assert upnp.control("<root/>", LOCATION) is None


@pytest.mark.parametrize(
    "part",
    [
        "<service>",
        "<serviceType>",
        "<controlURL>",
        "<service><serviceType>urn:schemas-upnp-org:service:WANIPConnection:1</serviceType>",
        "<NewExternalIPAddress>",
        "<errorDescription>",
        " ",
    ],
)
@pytest.mark.parametrize(
    "head", ["", "<service>", "<service><controlURL>", "<NewExternalIPAddress>"]
)
def test_hostile_text_is_searched_in_little_time(head: str, part: str) -> None:
    text = (head + part * (256 * 1024 // len(part)))[: 256 * 1024]
    started = time.process_time()
    upnp.control(text, LOCATION)
    upnp.read_external(text)
    assert time.process_time() - started < 1.0


@pytest.mark.parametrize(
    ("answer", "external", "error"),
    [
        ("<NewExternalIPAddress> 198.51.100.7\n</NewExternalIPAddress>", "198.51.100.7", None),
        ("<NewExternalIPAddress>198.51.100.7</NewExternalIPAddress>", "198.51.100.7", None),
        (
            "<NewExternalIPAddress></NewExternalIPAddress>",
            None,
            "the router has no external address",
        ),
        ("<errorDescription>Not Authorized</errorDescription>", None, "Not Authorized"),
        ("<html>", None, "nonsense"),
    ],
)
def test_answers_of_upnp(answer: str, external: str | None, error: str | None) -> None:
    found = upnp.read_external(answer)
    assert (found.external_ip, found.error) == (external, error)


async def test_a_gateway_is_queried_over_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    asked_by: set[str] = set()

    class Gateway(asyncio.DatagramProtocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = transport

        def datagram_received(self, data: bytes, source: tuple[str, int]) -> None:
            asked_by.add(source[0])
            answer = pack("!BBHI", 0, 128, 0, 99) + EXTERNAL.packed
            self.transport.sendto(answer, source)  # type: ignore[attr-defined]

    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Gateway, ("127.0.0.1", 0))
    port = transport.get_extra_info("sockname")[1]
    monkeypatch.setattr(pmp, "PORT", port)
    assert (await pmp.request_pmp("127.0.0.1", "127.0.0.5")).external_ip == str(EXTERNAL)
    await pmp.request_pcp("127.0.0.1", "127.0.0.5")
    assert asked_by == {"127.0.0.5"}
    transport.close()


async def test_the_gateway_of_the_bound_address_is_queried(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[str | None, str]] = []

    async def note(gateway: str | None, local_ip: str) -> run.Portmap:
        asked.append((gateway, local_ip))
        return run.Portmap()

    monkeypatch.setattr(run, "query", note)
    facts = Facts(
        kernel="6.1.0",
        interfaces=[
            Interface(name="wg0", ip="10.8.0.2", prefix=24),
            Interface(name="eth0", ip="192.168.1.9", prefix=24),
        ],
        routes=[
            Route(interface="wg0", prefix=0, gateway="10.8.0.1"),
            Route(interface="eth0", prefix=0, gateway="192.168.1.1", metric=100),
        ],
        ipv4=True,
        ipv6=False,
    )
    context = Context(Options(servers=[]), "192.168.1.9")
    await measure._portmap(context, measure.Measured(), facts)
    assert asked == [("192.168.1.1", "192.168.1.9")]


async def test_a_gateway_with_a_closed_port_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setattr(pmp, "PORT", port)
    assert await pmp.request_pmp("127.0.0.1", "127.0.0.1") == pmp.SILENT
    assert (await run.query(None, "127.0.0.1")).reason == "no router on the loopback interface"


async def test_a_router_is_read_over_http() -> None:
    body = "<NewExternalIPAddress>198.51.100.7</NewExternalIPAddress>"

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        text = ROOT if head.startswith("GET") else body
        writer.write(f"HTTP/1.0 200 OK\r\n\r\n{text}".encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    location = f"http://127.0.0.1:{port}/root.xml"
    kind, url = upnp.control(await upnp._http("GET", location), location) or ("", "")
    found = upnp.read_external(await upnp._http("POST", url, *upnp.soap(kind)))
    assert found.external_ip == "198.51.100.7"
    server.close()
