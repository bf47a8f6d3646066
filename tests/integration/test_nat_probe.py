"""``nat-probe`` against our own server and against servers that mislead, over real loopback."""

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from sfukit.probe import system
from sfukit.probe.environment.facts import read as facts_of_system
from sfukit.probe.nat import measure
from sfukit.probe.nat.context import Context
from sfukit.probe.nat.options import Options, chosen_tests
from sfukit.probe.nat.report import NatReport
from sfukit.probe.nat.run import probe
from sfukit.probe.resolve import Address, Endpoint, Family, UnresolvedError
from sfukit.probe.stun import message
from sfukit.probe.stun.tcp import send_request as send_tcp
from sfukit.probe.stun.udp import StunSocket
from sfukit.probe.stunserver.reply import Replies, Reply
from sfukit.probe.stunserver.run import Settings, serving
from tests.conftest import absent
from tests.integration.nat_servers import Answer, crooked, success, whole

BEHAVIOUR = "mapping,filtering"


async def run(*servers: Address, tests: str = BEHAVIOUR, **changes: object) -> NatReport:
    options = Options(
        servers=[Endpoint(*server) for server in servers],
        tests=chosen_tests(tests, "default"),
        timeout_s=0.1,
        **changes,  # type: ignore[arg-type]
    )
    return await probe(options, lambda _text: None)


async def test_open_loopback_is_reported_completely() -> None:
    async with whole() as server:
        report = await run(server.primary, tests="mapping,filtering,alloc,ports,path")
    nat = report.nat
    assert (nat.present, nat.mapping, nat.filtering) == (False, "EIM", "EIF")
    assert nat.classic == "open internet"
    assert (report.verdict, report.exit_code, report.confidence) == ("pass", 0, "high")
    assert report.server is not None and report.server.rfc5780
    assert report.works.turn_needed == "no"
    assert report.works.udp == "yes"
    assert server.primary.port in report.works.open_ports


async def test_the_default_tests_take_less_than_five_seconds_though_a_filter_is_silent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The duration of a run with timeouts, with the defaults of a user."""
    answered = Replies.answer

    def filtered(self: Replies, data: bytes, *where: Any) -> Reply | None:
        changed = message.parse(data).attribute("CHANGE-REQUEST")
        return None if changed else answered(self, data, *where)

    monkeypatch.setattr(Replies, "answer", filtered)
    async with whole() as server:
        started = time.monotonic()
        report = await probe(Options(servers=[Endpoint(*server.primary)]), lambda _text: None)
        took_s = time.monotonic() - started
    silent = next(test for test in report.tests if test.id == "filtering.II")
    assert (silent.sent, silent.received) == (7, 0), report.nat.reason
    assert took_s < 5


async def test_an_unusable_proxy_of_the_environment_is_a_note(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """For a name that is no loopback address, for which proxies are not used."""
    monkeypatch.setenv("https_proxy", "socks5://10.0.0.1:1080")
    report = await run(Address("no-such-host.invalid", 3478))
    assert report.exit_code == 4
    assert [each.name for each in report.environment if "proxy" in each.name] == ["proxy_unusable"]


@pytest.mark.parametrize("linux", [True, False])
async def test_every_test_runs_or_reports_why_not(
    monkeypatch: pytest.MonkeyPatch, linux: bool
) -> None:
    monkeypatch.setattr(system, "_linux", linux)
    everything = ",".join(sorted(chosen_tests(None, "full")))
    async with whole() as server:
        report = await run(server.primary, tests=everything, lifetime_max_s=1.0, tcp=True)
    assert (report.nat.mapping, report.nat.filtering) == ("EIM", "EIF")
    assert report.nat.pooling == "paired"
    assert report.fragments is not None
    assert (report.fragments.up, report.fragments.down) == ("yes", "yes")
    assert report.tcp is not None
    assert (report.tcp.answered, report.tcp.mapping) == (True, "EIM")
    assert report.mtu is not None
    if linux:
        assert (report.mtu.up, report.mtu.down) == (1500, 1500)
    else:
        assert report.mtu.reason == "not_checked: needs Linux"


def twisted(data: bytes, source: Address) -> list[bytes]:
    """Names itself as the other address, and ignores CHANGE-REQUEST."""
    here = ("127.0.0.1", 9)
    return [success(data, XOR_MAPPED_ADDRESS=tuple(source), OTHER_ADDRESS=here)]


async def test_a_server_that_names_itself_is_taken_as_a_plain_one() -> None:
    async with crooked(twisted) as server:
        report = await run(server)
    assert report.servers[0].quirks == ["other_address_is_its_own"]
    assert not report.servers[0].rfc5780
    assert report.nat.filtering == "unknown"
    assert "second address" in report.nat.reason["filtering"]


async def test_a_server_that_ignores_change_request_never_makes_a_full_cone() -> None:
    async with whole() as honest:
        other = honest.families[0].bound[next(r for r in honest.families[0].bound if r == (1, 1))]

        def ignoring(data: bytes, source: Address) -> list[bytes]:
            return [success(data, XOR_MAPPED_ADDRESS=tuple(source), OTHER_ADDRESS=tuple(other))]

        async with crooked(ignoring) as server:
            report = await run(server)
    assert report.nat.filtering == "unknown"
    assert report.servers[0].quirks == ["server_ignores_change_request"]
    assert not report.servers[0].rfc5780


def nothing(_data: bytes, _source: Address) -> list[bytes]:
    return []


def wrong_transaction(data: bytes, source: Address) -> list[bytes]:
    other = data[:8] + os.urandom(12)
    return [success(other, XOR_MAPPED_ADDRESS=tuple(source))]


def noise(_data: bytes, _source: Address) -> list[bytes]:
    return [os.urandom(size) for size in (0, 1, 20, 48, 1400)]


def without_address(data: bytes, _source: Address) -> list[bytes]:
    return [success(data, SOFTWARE="?")]


def of_another_family(data: bytes, _source: Address) -> list[bytes]:
    return [success(data, XOR_MAPPED_ADDRESS=("2001:db8::1", 5000))]


@pytest.mark.parametrize(
    "answer", [of_another_family, nothing, wrong_transaction, noise, without_address]
)
async def test_an_unusable_server_is_a_target_error(answer: Answer) -> None:
    async with crooked(answer) as server:
        report = await run(server)
    assert (report.verdict, report.exit_code) == ("inconclusive", 4)
    assert report.reason
    assert report.nat.mapping == "unknown"
    assert report.works.udp == "unknown"


async def test_an_address_that_no_network_makes_is_an_oddity_of_the_server() -> None:
    async with crooked(of_another_family) as server:
        report = await run(server, tests="mapping,path,hairpin")
    assert report.servers[0].quirks == ["mapped_address_of_another_family"]
    assert report.mapped == []


async def test_a_closed_port_is_not_blocked_udp() -> None:
    async with crooked(nothing) as server:
        pass
    report = await run(server)
    assert report.exit_code == 4
    assert report.reason is not None and "no server listens" in report.reason


async def test_a_forged_answer_does_not_replace_the_true_one() -> None:
    async with whole() as server:
        with StunSocket("127.0.0.1") as victim, StunSocket("127.0.0.3") as forger:

            def forge(data: bytes, _source: Address) -> list[bytes]:
                lie = success(data, XOR_MAPPED_ADDRESS=("203.0.113.66", 666))
                forger.send(lie, victim.local)
                return []

            async with crooked(forge) as silent:
                transaction = await victim.send_request(silent)
            assert transaction.mapped is None
            assert {received.source for received in transaction.unexpected} == {forger.local}
            assert (await victim.send_request(server.primary)).mapped == victim.local


async def test_a_port_without_a_mapping_does_not_affect_the_others() -> None:
    """A NAT that has no outer port left for one inner port has one for the next."""
    unlucky: set[int] = set()

    def answer(data: bytes, source: Address) -> list[bytes]:
        if not unlucky:
            unlucky.add(source.port)
        silent = source.port in unlucky
        return [] if silent else [success(data, XOR_MAPPED_ADDRESS=("203.0.113.9", source.port))]

    async with crooked(answer) as server:
        context = Context(Options(servers=[Endpoint(*server)], timeout_s=0.1), "127.0.0.1")
        async with context.mapped(server, "fresh") as (socket_, transaction):
            assert transaction.mapped == Address("203.0.113.9", socket_.local.port)
    assert [record.answered for record in context.records] == [False, True]


async def test_two_plain_servers_agree_without_filtering() -> None:
    def plain(data: bytes, source: Address) -> list[bytes]:
        return [success(data, XOR_MAPPED_ADDRESS=tuple(source))]

    async with crooked(plain) as one, crooked(plain, "127.0.0.2") as two:
        report = await run(one, two)
    assert report.nat.mapping == "EIM"
    assert report.nat.filtering == "unknown"


async def test_a_rewritten_address_is_an_alg() -> None:
    def edited(data: bytes, source: Address) -> list[bytes]:
        return [
            success(
                data, XOR_MAPPED_ADDRESS=tuple(source), MAPPED_ADDRESS=("10.9.9.9", source.port)
            )
        ]

    async with crooked(edited) as server:
        report = await run(server)
    assert "mapped_address_rewritten" in report.servers[0].quirks
    assert any("ALG" in warning for warning in report.warnings)


async def test_a_name_that_does_not_resolve_is_said() -> None:
    report = await run(Address("no-such-host.invalid", 3478))
    assert report.exit_code == 4
    assert report.reason is not None and "no-such-host.invalid" in report.reason


async def test_stun_answers_by_tcp_too_and_nonsense_there_ends_the_connection() -> None:
    async with whole() as server:
        answer = await send_tcp(server.primary)
        assert answer.mapped == answer.local
        for family in server.families:
            assert family.replies.counters.malformed == 0
        reader, writer = await asyncio.open_connection(*server.primary)
        writer.write(b"GET / HTTP/1.1\r\n\r\n" + bytes(20))
        async with asyncio.timeout(5):
            with contextlib.suppress(ConnectionResetError):  # it ends with bytes unread
                assert await reader.read() == b""
        writer.close()


@pytest.mark.parametrize(("timeout_s", "name_s"), [(0.1, 5.0), (9.0, 9.0)])
async def test_who_is_patient_with_servers_is_patient_with_names(
    monkeypatch: pytest.MonkeyPatch, timeout_s: float, name_s: float
) -> None:
    given: list[float] = []

    async def silent(target: Endpoint, _family: Family, timeout_s: float) -> list[Address]:
        given.append(timeout_s)
        raise UnresolvedError(f"{target.host}: no name server answers")

    monkeypatch.setattr(measure, "resolve", silent)
    options = Options(servers=[Endpoint("stun.example", 3478)], timeout_s=timeout_s)
    report = await probe(options, lambda _text: None)
    assert given == [name_s]
    assert report.exit_code == 4


@pytest.mark.parametrize(
    ("tests", "outer", "reason"),
    [
        ("mapping", "203.0.113.9", "not requested"),
        ("mapping,alloc", "203.0.113.9", "too few answers"),
        ("mapping,alloc", "127.0.0.1", "no NAT"),
    ],
)
async def test_why_the_allocation_is_unknown(tests: str, outer: str, reason: str) -> None:
    def plain(data: bytes, source: Address) -> list[bytes]:
        return [success(data, XOR_MAPPED_ADDRESS=(outer, source.port))]

    async with crooked(plain) as server:
        report = await run(server, tests=tests, samples=2)
    assert report.nat.reason["allocation"].startswith(reason)


async def test_the_allocation_is_unknown_without_an_answering_server() -> None:
    async with crooked(nothing) as server:
        report = await run(server, tests="mapping,alloc")
    assert report.nat.reason["allocation"] == "no server answers"


def ids(report: NatReport) -> Sequence[str]:
    return [test.id for test in report.tests]


async def test_every_exchange_is_in_the_report() -> None:
    async with whole() as server:
        report = await run(server.primary)
    assert "mapping.1.III" in ids(report)
    assert "filtering.II" in ids(report)
    changed = next(test for test in report.tests if test.id == "filtering.II")
    assert changed.from_ is not None and changed.from_.startswith("127.0.0.2:")
    assert changed.sent >= changed.received >= 1


async def test_an_sfu_port_that_answers_is_yes_and_a_closed_one_is_unknown() -> None:
    async with whole() as server:
        good = await run(server.primary, tests="mapping", sfu=Endpoint(*server.primary))
        assert good.works.sfu_udp == "yes"
    async with crooked(nothing) as closed:
        pass
    async with whole() as server:
        bad = await run(server.primary, tests="mapping", sfu=Endpoint(*closed))
        assert bad.works.sfu_udp == "unknown"
        assert bad.works.sfu_reason is not None and "no server listens" in bad.works.sfu_reason


def ipv6_on_loopback() -> bool:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe_:
        try:
            probe_.bind(("::1", 0))
        except OSError:
            return False
    return True


async def test_a_network_of_ipv6_alone_is_not_blocked() -> None:
    if not ipv6_on_loopback():
        absent("IPv6 on loopback", "enable it: sysctl net.ipv6.conf.lo.disable_ipv6=0")
    facts = msgspec.structs.replace(facts_of_system(), ipv4=False, ipv6=True, routes=[])
    async with serving(Settings(("::1",), 0, 0)) as server:
        options = Options(
            servers=[Endpoint(*server.primary)], tests=chosen_tests("mapping", "quick")
        )
        report = await probe(options, lambda _text: None, facts=facts)
    assert report.ipv4 == "absent"
    assert report.works.udp == "yes"
    assert report.local is not None and report.local.startswith("[::1]:")
    assert [finding.name for finding in report.environment if "ipv4" in finding.name] == [
        "ipv4_absent"
    ]


async def test_an_address_of_ipv4_seen_from_ipv6_is_nat64() -> None:
    if not ipv6_on_loopback():
        absent("IPv6 on loopback", "enable it: sysctl net.ipv6.conf.lo.disable_ipv6=0")

    def translated(data: bytes, source: Address) -> list[bytes]:
        return [success(data, XOR_MAPPED_ADDRESS=("198.51.100.1", source.port))]

    async with crooked(translated, "::1") as server:
        report = await run(server, tests="mapping,path,hairpin,ports")
    assert report.servers[0].quirks == ["mapped_to_ipv4"]
    assert (report.nat.present, report.nat.hairpin) == (True, "not_applicable")
    assert report.path.hops_to_public_address is None
    assert any("NAT64" in warning for warning in report.warnings)
