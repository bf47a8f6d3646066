"""``sfukit nat-probe`` against servers that answer oddly: verdict, exit code and what is said."""

import pytest

from sfukit.cli.nat_probe_text import lines
from sfukit.probe.environment.facts import Facts
from sfukit.probe.nat.options import Options
from sfukit.probe.nat.report import NatReport
from sfukit.probe.nat.run import probe
from sfukit.probe.resolve import Address, Endpoint
from sfukit.probe.stun import message
from sfukit.probe.stun.udp import StunSocket
from tests.odd import stun_server
from tests.odd.stun_server import odd_stun

FACTS = Facts(kernel="", interfaces=[], routes=[], ipv4=True, ipv6=False)


async def probed(*servers: Address, tests: frozenset[str] = frozenset(("mapping",))) -> NatReport:
    options = Options(
        servers=[Endpoint(*server) for server in servers],
        tests=tests,
        level="quick",
        timeout_s=0.1,
    )
    return await probe(options, lambda _text: None, facts=FACTS)


def text_of(report: NatReport) -> str:
    return "\n".join(str(line) for line in lines(report))


@pytest.mark.parametrize(
    ("name", "quirk", "says"),
    [
        ("plain", None, ""),
        ("mapped-only", "no_xor_mapped_address", "MAPPED-ADDRESS without XOR-MAPPED-ADDRESS"),
        ("old-xor-mapped", "old_xor_mapped_address", "0x8020"),
        ("software-twice", "repeated_attributes", "the first counts"),
        ("software-latin1", None, ""),
        ("software-long", None, ""),
        ("mapped-twice", "repeated_attributes", "the first counts"),
        ("mapped-twice-broken", "repeated_attributes", "the first counts"),
        ("other-on-this-host", "other_address_is_its_own", "its OTHER-ADDRESS is its own"),
        ("other-private", "other_address_is_private", "its OTHER-ADDRESS is private"),
        ("other-multicast", "other_address_is_no_host", "its OTHER-ADDRESS is no host"),
        ("changed-address", None, "its second address 127.0.0.2 does not answer"),
    ],
)
async def test_an_odd_response_that_is_usable(name: str, quirk: str | None, says: str) -> None:
    async with odd_stun(name) as server:
        report = await probed(server)
    [told] = report.servers
    assert (report.exit_code, told.answered, told.reason) == (0, True, None)
    assert report.mapped[0].address.startswith("127.0.0.1:")
    assert told.quirks == ([] if quirk is None else [quirk])
    assert says in text_of(report)
    assert report.works.udp == "yes"


MALFORMED = "answers, malformed: "


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("software-unpadded", f"{MALFORMED}26 bytes of attributes: one is not padded to 4 bytes"),
        ("family-zero", f"{MALFORMED}attribute XOR-MAPPED-ADDRESS: "),
        ("trailing-bytes", f"{MALFORMED}its length says 12 bytes, and 16 follow"),
        ("beyond-the-end", f"{MALFORMED}attribute 0x8022 of 400 bytes reaches beyond"),
        ("empty-success", f"{MALFORMED}a success without a mapped address"),
        ("indication", f"{MALFORMED}an indication in place of a response"),
        ("echo", f"{MALFORMED}the request is returned unchanged: a UDP echo server?"),
        ("http", f"{MALFORMED}not a STUN message"),
        ("short", f"{MALFORMED}2 bytes is no length of a STUN message"),
        ("other-transaction", f"{MALFORMED}another transaction"),
        ("error-500", "answers with error 500 Server Error"),
        ("error-401", "answers with error 401"),
        ("error-escape", "answers with error 400 ?[2Jbad"),
        ("error-without-code", "answers with error without a code"),
        ("zero-address", "answers with an impossible mapped address: 0.0.0.0:0"),
        ("zero-port", "answers with an impossible mapped address: 127.0.0.1:0"),
        ("multicast", "answers with an impossible mapped address: 224.0.0.1:5000"),
    ],
)
async def test_an_answer_of_no_use_is_not_silence(name: str, why: str) -> None:
    async with odd_stun(name) as server:
        report = await probed(server)
    [told] = report.servers
    text = text_of(report)
    assert (report.exit_code, report.verdict, told.answered) == (4, "inconclusive", False)
    assert (told.reason or "").startswith(why)
    assert f"the server {told.reason}" in text
    assert "silent" not in text
    assert report.works.udp == ("yes" if " error " in why else "unknown")
    assert report.mapped == []
    assert text.replace("\n", "").isprintable()


async def test_an_answer_from_another_port_does_not_count() -> None:
    async with odd_stun("from-elsewhere") as server:
        report = await probed(server)
    assert report.exit_code == 4
    assert (report.servers[0].reason or "").startswith("answers from 127.0.0.1:")
    assert report.works.udp == "unknown"


async def test_silence_is_still_silence() -> None:
    async with odd_stun("silent") as server:
        report = await probed(server)
    assert (report.exit_code, report.servers[0].reason) == (4, "silent")
    assert report.works.udp == "unknown"


async def test_a_malformed_server_beside_a_good_one_is_named() -> None:
    async with odd_stun("plain") as good, odd_stun("echo") as odd:
        report = await probed(good, odd)
    assert report.exit_code == 0
    assert f"{odd}: {MALFORMED}the request is returned" in text_of(report)


async def test_a_late_response_does_not_affect_the_next_transaction() -> None:
    late: list[bytes] = []

    def answer(data: bytes, source: Address, _own: Address) -> bytes:
        late.append(stun_server.message(data, 0x0101, stun_server.seen(source)))
        return late[0]

    stun_server.ANSWERS["late"] = answer
    try:
        async with odd_stun("late") as server:
            with StunSocket("127.0.0.1") as socket:
                first = await socket.send_request(server)
                second = await socket.send_request(server)
    finally:
        del stun_server.ANSWERS["late"]
    assert first.mapped is not None
    assert (second.response, second.malformed) == (None, None)


def test_the_first_of_equal_attributes_counts() -> None:
    first, second = ("203.0.113.5", 5), ("198.51.100.9", 9)
    body = b"".join(
        stun_server.attribute(0x0020, stun_server.masked(one)) for one in (first, second)
    )
    parsed = message.parse(stun_server.message(bytes(20), 0x0101, body))
    assert parsed.reported_address == first
    assert parsed.repeated == (0x0020,)


@pytest.mark.parametrize(
    ("told", "asked", "is_believed"),
    [
        ("203.0.113.5:5", "198.51.100.1:3478", True),
        ("10.0.0.1:5", "198.51.100.1:3478", True),
        ("127.0.0.1:5", "198.51.100.1:3478", False),
        ("127.0.0.1:5", "127.0.0.1:3478", True),
        ("255.255.255.255:5", "198.51.100.1:3478", False),
        ("0.0.0.0:5", "198.51.100.1:3478", False),
    ],
)
def test_which_mapped_addresses_are_plausible(told: str, asked: str, is_believed: bool) -> None:
    ip, _, port = told.partition(":")
    body = stun_server.attribute(0x0020, stun_server.masked((ip, int(port))))
    parsed = message.parse(stun_server.message(bytes(20), 0x0101, body))
    host, _, at = asked.partition(":")
    assert (parsed.mapped(Address(host, int(at))) is not None) == is_believed
