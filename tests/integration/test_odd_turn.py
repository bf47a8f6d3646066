"""``sfukit turn-probe`` against servers that refuse oddly: cause, stage, exit code and words."""

from typing import NamedTuple

import pytest

from sfukit.cli.turn_probe_text import result_lines
from sfukit.probe.resolve import Address
from sfukit.probe.turn import alternate, attributes, report
from sfukit.probe.turn.options import TurnOptions
from sfukit.probe.turn.probe import probe
from sfukit.probe.turn.report import TurnReport, VariantReport
from sfukit.turn import uri
from sfukit.turn.credentials import Login
from tests.odd import turn_server as odd
from tests.odd.turn_server import OddTurn, odd_turn

ELSEWHERE = ("127.0.0.1", 9)


async def probed(server: OddTurn, timeout_s: float = 0.4) -> TurnReport:
    where = uri.parse("turn:{}:{}?transport=udp".format(*server.place))
    options = TurnOptions(login=Login(odd.USER, odd.PASSWORD), timeout_s=timeout_s)
    return report.build([await probe(where, options)], [])


def variant_of(outcome: TurnReport) -> VariantReport:
    return outcome.servers[0].variants[0]


def stage_of(outcome: TurnReport) -> tuple[str, str | None]:
    failed = next(one for one in variant_of(outcome).steps if one.state == "failed")
    return failed.name, failed.cause


class Row(NamedTuple):
    """A manner, the stage at which it shows, its cause, and words that are said."""

    name: str
    manner: odd.Manner
    stage: str
    cause: str
    says: str = ""


UNSIGNED = "without valid MESSAGE-INTEGRITY, so clients ignore it"

ROWS = [
    Row("always-438", odd.stale_for_ever, "auth", "nonce_refused_438", "balancer"),
    Row("438-without-nonce", odd.refuses(438, b"Stale nonce"), "auth", "nonce_missing_438"),
    Row("other-realm", odd.changes_realm, "auth", "realm_changes", "then 'r"),
    Row("renamed-realm", odd.renames_realm, "auth", "wrong_password_or_secret",
        "the realm was 'first.example' at first, then 'odd.example'"),
    Row("realm-utf8", odd.challenges("bühne.example".encode()), "auth",
        "wrong_password_or_secret", "is not ASCII"),
    Row("realm-latin1", odd.challenges("bühne".encode("latin-1")), "auth",
        "wrong_password_or_secret", "is no UTF-8"),
    Row("realm-quoted", odd.challenges(b'"odd.example"'), "auth", "wrong_password_or_secret",
        "is quoted"),
    Row("realm-nul", odd.challenges(b"odd.example\0"), "auth", "wrong_password_or_secret",
        "has a NUL in it"),
    Row("realm-empty", odd.challenges(b""), "unauthenticated", "realm_missing"),
    Row("password-algorithms", odd.challenges(more=odd.MD5_AND_SHA256, nonce=odd.NEW_NONCE),
        "auth", "wrong_password_or_secret", "password algorithms SHA-256, MD5"),
    Row("sha-256-alone", odd.challenges(more=odd.SHA256_ALONE, nonce=odd.NEW_NONCE), "auth",
        "password_algorithm_unsupported", "SHA-256 only"),
    Row("silent-after-401", odd.silent_after_401, "auth", "silent_after_401", "answers 401"),
    Row("unsigned-success", odd.accepts_unsigned, "auth", "answer_unsigned"),
    Row("437", odd.refuses(437, b"Wrong transport"), "allocate", "allocation_mismatch_437",
        UNSIGNED),
    Row("420", odd.refuses(420, b"Unknown", odd.UNKNOWN_TRANSPORT), "allocate",
        "unknown_attribute_420", "0x0019 REQUESTED-TRANSPORT, 0x000d LIFETIME"),
    Row("500", odd.refuses(500, b""), "allocate", "server_error_500"),
    Row("486-nul", odd.refuses(486, b"Quota Reached\0\0\0"), "allocate", "quota_486",
        "486 Quota Reached; without valid MESSAGE-INTEGRITY"),
    Row("486-latin1", odd.refuses(486, "über".encode("latin-1"), sign=True), "allocate",
        "quota_486", "486 \ufffdber"),
    Row("486-escape", odd.refuses(486, b"\x1b[2Jx\0y", sign=True), "allocate", "quota_486",
        "486 ?[2Jx"),
    Row("300-nowhere", odd.sends_to(None), "alternate", "try_alternate_300",
        "ALTERNATE-SERVER is missing"),
    Row("300-multicast", odd.sends_to(("224.0.0.1", 3478)), "alternate", "try_alternate_300",
        "224.0.0.1:3478, which is no host address"),
    Row("300-any", odd.sends_to(("0.0.0.0", 3478)), "alternate", "try_alternate_300",
        "0.0.0.0:3478"),
    Row("300-port-0", odd.sends_to(("127.0.0.1", 0)), "alternate", "try_alternate_300"),
    Row("300-ipv6", odd.sends_to(("::1", 3478)), "alternate", "try_alternate_300",
        "another family"),
    Row("300-first", odd.sends_to(ELSEWHERE), "connect", "port_closed",
        "the port 127.0.0.1:9 is closed"),
    Row("300-after-auth", odd.sends_to(ELSEWHERE, after_auth=True), "connect", "port_closed",
        "redirected to 127.0.0.1:9 (300 Try Alternate)"),
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
async def test_each_refusal_has_its_cause(row: Row) -> None:
    async with odd_turn(row.manner) as server:
        outcome = await probed(server)
    text = "\n".join(result_lines(outcome))
    assert stage_of(outcome) == (row.stage, row.cause), text
    assert variant_of(outcome).cause == row.cause
    assert outcome.exit_code == 3
    assert row.says in text
    assert text.replace("\n", "").isprintable()


@pytest.mark.parametrize("after_auth", [False, True])
async def test_a_server_that_a_300_names_is_probed_instead(after_auth: bool) -> None:
    async with (
        odd_turn(odd.allocates) as second,
        odd_turn(odd.sends_to(second.place, after_auth=after_auth)) as first,
    ):
        outcome = await probed(first, timeout_s=5.0)
    told = variant_of(outcome)
    assert stage_of(outcome) == ("permission", "denied_peer_403")
    assert told.relay_address == "127.0.0.1:50000"
    assert told.server == told.alternate == str(Address(*second.place))
    assert [one.found for one in told.steps if one.name == "alternate"] == [
        f"300 redirects to {told.alternate}"
    ]


@pytest.mark.parametrize("more", [{"security": True}, {"allocations": 20}])
async def test_an_alternate_server_needs_permission_for_more_than_relaying(
    more: dict[str, int],
) -> None:
    async with odd_turn(odd.sends_to(("127.0.0.3", 9))) as server:
        where = uri.parse("turn:{}:{}?transport=udp".format(*server.place))
        options = TurnOptions(timeout_s=0.4, **more)  # type: ignore[arg-type]
        outcome = report.build([await probe(where, options)], [])
    assert stage_of(outcome) == ("alternate", "try_alternate_300")
    assert "are for the requested server only" in variant_of(outcome).steps[-1].found


async def test_servers_that_send_in_a_circle_are_followed_once() -> None:
    async with odd_turn(odd.challenges()) as first, odd_turn(odd.sends_to(first.place)) as second:
        first.answer(odd.sends_to(second.place))
        outcome = await probed(first)
    assert stage_of(outcome) == ("alternate", "try_alternate_300")
    assert "only one 300 is followed" in variant_of(outcome).steps[-1].found


async def test_a_server_that_sends_to_itself() -> None:
    async with odd_turn(odd.challenges()) as server:
        server.answer(odd.sends_to(server.place))
        outcome = await probed(server)
    assert stage_of(outcome) == ("alternate", "try_alternate_300")
    assert "which is its own address" in variant_of(outcome).steps[-1].found


@pytest.mark.parametrize(
    ("ip", "is_asked"),
    [("203.0.113.9", True), ("10.0.0.1", False), ("127.0.0.1", False), ("169.254.169.254", False),
     ("100.64.0.1", False), ("255.255.255.255", False)],
)  # fmt: skip
def test_a_public_server_redirects_to_public_ones_only(ip: str, is_asked: bool) -> None:
    why = alternate._objection(Address(ip, 3478), Address("198.51.100.1", 3478))
    assert (why == "") == is_asked


def test_password_algorithms_need_the_nonce_that_announces_them() -> None:
    listed = b"\0\2\0\0\0\1\0\0\0\x63\0\3abc\0"
    new = {"PASSWORD-ALGORITHMS": listed, "NONCE": b"obMatJos2AAACn"}
    assert attributes.password_algorithms(new) == ["SHA-256", "MD5", "0x0063"]
    assert attributes.password_algorithms({**new, "NONCE": b"n"}) is None
    assert attributes.password_algorithms({"NONCE": b"obMatJos2AAACn"}) is None
    long = {**new, "PASSWORD-ALGORITHMS": b"\0\1\0\0" * 10_000}
    assert len(attributes.password_algorithms(long) or []) == 8
