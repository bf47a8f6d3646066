"""TURN URIs, credentials, figures and the verdict: everything that needs no server."""

import base64
import hashlib
import hmac

import msgspec
import pytest
from aioice import stun, turn

from sfukit import gates
from sfukit.errors import UsageError
from sfukit.probe.finding import Finding, Step
from sfukit.probe.resolve import Endpoint
from sfukit.probe.turn import causes, report
from sfukit.probe.turn.client import RefusedError
from sfukit.probe.turn.figures import jitter_ms, percentiles, relay_figures
from sfukit.probe.turn.report import ServerReport, VariantReport
from sfukit.turn import uri
from sfukit.turn.credentials import Credentials, Login, expired_cause, from_secret


@pytest.mark.parametrize(
    ("text", "variants", "endpoint"),
    [
        ("turn:turn.example", ("udp", "tcp"), Endpoint("turn.example", 3478)),
        ("turn:turn.example:80?transport=tcp", ("tcp",), Endpoint("turn.example", 80)),
        ("TURN:turn.example?transport=UDP", ("udp",), Endpoint("turn.example", 3478)),
        ("turns:turn.example", ("tls",), Endpoint("turn.example", 5349)),
        ("turns:turn.example:443?transport=tcp", ("tls",), Endpoint("turn.example", 443)),
        ("turn:[2001:db8::1]:3479", ("udp", "tcp"), Endpoint("2001:db8::1", 3479)),
    ],
)
def test_uris(text: str, variants: tuple[str, ...], endpoint: Endpoint) -> None:
    parsed = uri.parse(text)
    assert parsed.variants == variants
    assert parsed.endpoint(parsed.variants[0]) == endpoint


def test_a_variant_beyond_the_uri_uses_its_own_default_port() -> None:
    assert uri.parse("turn:turn.example:80").endpoint("tls").port == 5349
    assert uri.parse("turns:turn.example:443").endpoint("udp").port == 3478


@pytest.mark.parametrize(
    "text",
    ["", "turn:", "stun:turn.example", "turn:a b", "turn:h:0", "turn:h:70000", "turn:u@h",
     "turn:h?transport=sctp", "turns:h?transport=udp", "turn:h:3478/x", "http://turn.example"],
)  # fmt: skip
def test_invalid_uris(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        uri.parse(text)
    assert refused.value.hint


def test_variants() -> None:
    assert uri.variants("tls,udp,tls") == ("tls", "udp")
    for text in ("dtls", "udp,carrier-pigeon", ""):
        with pytest.raises(UsageError, match="--variants"):
            uri.variants(text)


def test_a_secret_signs_as_the_rest_scheme_has_it() -> None:
    made = from_secret("north", "ann", 1_800_000_000)
    assert made.username == "1800000000:ann"
    digest = hmac.new(b"north", b"1800000000:ann", hashlib.sha1).digest()
    assert base64.b64decode(made.password) == digest
    assert made.password not in repr(made)


@pytest.mark.parametrize(
    ("username", "cause"),
    [
        ("1700000000:ann", "credential_expired(60s ago)"),
        ("ann:1700000000", "credential_expired(60s ago)"),
        ("1700000000", "credential_expired(60s ago)"),
        ("1700000061:ann", None),
        ("ann", None),
        ("12:ann", None),
    ],
)
def test_expiry_is_read_from_the_name(username: str, cause: str | None) -> None:
    assert expired_cause(Credentials(username, "x"), 1_700_000_060) == cause


def test_logins() -> None:
    assert Login().credentials(0) is None
    assert Login("u", "p").credentials(0) == Credentials("u", "p")
    made = Login("ann", secret="s", ttl_s=60).credentials(1_700_000_000)
    assert made is not None
    assert made.expiry_s == 1_700_000_060


def test_the_same_401_has_three_names() -> None:
    refused = RefusedError(401, "Unauthorized", {})
    now_s = 1_700_000_060
    names = [
        causes.of_denied_credentials(known, refused, now_s).cause
        for known in (None, Credentials("1700000000:a", "x"), Credentials("a", "x"))
    ]
    assert names == [
        "credentials_missing",
        "credential_expired(60s ago)",
        "wrong_password_or_secret",
    ]


def test_every_code_has_a_cause() -> None:
    for code in (300, 400, 403, 437, 440, 442, 486, 508):
        fault = causes.of_refusal(RefusedError(code, "x", {}))
        assert str(code) in fault.cause
        assert fault.fix
    assert causes.of_refusal(RefusedError(599, "x", {})).cause == "refused_599"


def test_reach_ranks_addresses() -> None:
    ranks = ["0.0.0.0", "169.254.1.1", "10.1.1.1", "203.0.113.1"]
    assert [causes.reach(ip) for ip in ranks] == [0, 1, 2, 3]
    assert [causes.reach(ip) for ip in ("::1", "fe80::1%eth0", "fd00::1", "2001:db8::1")] == [
        0, 1, 2, 3,
    ]  # fmt: skip


def test_figures() -> None:
    assert percentiles([]).p50 is None
    figures = relay_figures(10, [10.0] * 8, 4.0, 4)
    assert (figures.loss, figures.jitter_ms, figures.overhead_ms) == (0.2, 0.0, 2.0)
    assert (figures.rtt_ms.p50, figures.rtt_ms.max) == (10.0, 10.0)
    assert jitter_ms([10.0, 26.0]) == 1.0
    assert jitter_ms([10.0]) is None


def variant(
    name: str = "udp", cause: str | None = None, stage: str = "auth", **more: object
) -> VariantReport:
    """Make the report of one variant that failed at a stage, or relays."""
    figures = relay_figures(10, [1.0] * 10, 0.4, 4)
    state = "failed" if cause else "ok"
    return VariantReport(
        variant=name,
        endpoint="h:1",
        relays=cause is None,
        cause=cause,
        steps=[Step(name=stage, state=state, ms=1.0, cause=cause)],  # type: ignore[arg-type]
        figures=figures if cause is None else None,
        **more,  # type: ignore[arg-type]
    )


def built(*variants: VariantReport, gate: str = "") -> report.TurnReport:
    wanted = [gates.parse(gate, report.catalogue())] if gate else []
    return report.build([ServerReport(uri="turn:h:1", variants=list(variants))], wanted)


def test_exit_codes() -> None:
    refused = variant("tcp", "wrong_password_or_secret")
    silent = variant("tcp", "no_answer", "unauthenticated")
    assert built(variant()).exit_code == 0
    assert built(variant(), refused).exit_code == 3
    assert built(variant(), silent).exit_code == 3
    assert built(silent, silent).exit_code == 4
    assert built(variant(), gate="relay.rtt_ms.p95<0.5ms").exit_code == 3
    assert built(variant(), gate="relay.bitrate_bps>1M").exit_code == 5
    bad = Finding(name="loopback", state="bad", text="relays to 127.0.0.1")
    assert built(variant(security=[bad])).exit_code == 3
    untested = msgspec.structs.replace(variant(), relays=None)
    assert built(untested).exit_code == 0
    assert built(untested, refused).exit_code == 3
    assert (built(untested).relaying, built(untested).reasons) == (0, [])


def test_reasons_name_server_variant_and_cause() -> None:
    told = built(variant(), variant("tcp", "quota_486"))
    assert told.reasons == ["turn:h:1 tcp: quota_486"]
    assert (told.relaying, told.requested, told.verdict) == (1, 2, "fail")


def test_the_used_parts_of_aioice_exist() -> None:
    """The library has no promise about these; a release that changes them is met here."""
    assert turn.UDP_TRANSPORT == 0x11000000
    assert {"REALM", "NONCE", "LIFETIME", "XOR-RELAYED-ADDRESS"} <= set(stun.ATTRIBUTES_BY_NAME)
    client = turn.TurnClientUdpProtocol(("127.0.0.1", 1), "u", "p", 600, 500)
    for name in ("realm", "nonce", "integrity_key", "channel_to_peer", "peer_to_channel",
                 "channel_refresh_at", "receiver", "_send", "request_with_retry"):  # fmt: skip
        assert hasattr(client, name), name
