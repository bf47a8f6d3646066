"""Redacted reports: equal pseudonyms for equal values, and no original ones."""

import re
from typing import Any

import msgspec
import pytest

from sfukit.probe.nat import report as reports
from sfukit.probe.nat.redact import Redactor
from sfukit.probe.nat.report import NatReport

FOUR = re.compile(r"\d+\.\d+\.\d+\.\d+")
SIX = re.compile(r"[0-9A-Fa-f]*:[0-9A-Fa-f]*:[0-9A-Fa-f:]+")


def report(**more: Any) -> NatReport:
    """A probe of servers by name, by IPv4 and by IPv6, through a proxy, of an SFU too."""
    document = {
        "schema": reports.SCHEMA,
        "command": "nat-probe",
        "verdict": "pass",
        "exit_code": 0,
        "started": "2026-01-01T00:00:00+00:00",
        "duration_ms": 1.0,
        "level": "default",
        "servers": [
            {"name": "stun.example.org:3478", "address": "8.8.8.8:3478"},
            {"name": "1.stun.example.org:3478", "address": "[2001:4860::8]:3478"},
            {"name": "8.8.4.4:3478", "address": "8.8.4.4:3478"},
            {"name": "[2001:4860::4]:3478", "reason": "2001:4860::4: has no IPv4 address"},
        ],
        "local": "192.168.1.9:5000",
        "mapped": [{"server": "8.8.8.8:3478", "address": "9.9.9.9:5000"}],
        "environment": [
            {"name": "vm_nat", "state": "note", "text": "gateway fe80::1%eth0.", "evidence": []}
        ],
        "ipv6": {"state": "works", "address": "2001:4860::8"},
        "ports": [
            {"transport": "udp", "host": "3cx.example", "port": 7081, "state": "unreachable",
             "detail": "3cx.example: Name or service not known"},
            {"transport": "tls", "host": "stun.example.org", "port": 443, "state": "open",
             "detail": "issued by Corp, Inspection CA, no public root",
             "issuer": "Corp, Inspection CA"},
        ],
        "tcp": {"answered": True, "mapped": "9.9.9.9:1", "via_proxy": "Proxy.example:3128"},
        "tests": [
            {"id": "reach.8.8.4.4:3478", "to": "8.8.4.4:3478", "sent": 1, "received": 1},
            {"id": "reach.[2001:4860::4]:3478", "to": "[2001:4860::4]:3478",
             "sent": 1, "received": 0},
            {"id": "reach.1.stun.example.org:3478", "to": "[2001:4860::8]:3478",
             "sent": 1, "received": 1, "note": "answer from [::1]:9 not counted"},
        ],
        "warnings": ["stun.example.org:3478: an answer came from 8.8.1.1:1, by proxy.example"],
        "gates": [],
        **more,
    }  # fmt: skip
    return msgspec.convert(document, NatReport)


def test_a_redacted_report_holds_no_address_and_no_name() -> None:
    redacted = Redactor().report(report())
    text = msgspec.json.encode(msgspec.structs.replace(redacted, started="")).decode()
    assert FOUR.findall(text) == []
    assert SIX.findall(text.replace("[::1]:9", "")) == []  # loopback addresses are not redacted
    for name in ("example", "3cx", "Corp", "Inspection"):
        assert name not in text
    assert redacted.started == "2026-01-01T00:00:00+00:00"


def test_equal_things_keep_one_name_wherever_they_stand() -> None:
    redacted = Redactor().report(report())
    assert [server.name for server in redacted.servers] == [
        "server-1:3478",
        "server-2:3478",
        "public-3:3478",
        "public-4:3478",
    ]
    assert redacted.servers[1].address == f"{redacted.ipv6.address}:3478" == "public-2:3478"
    assert redacted.servers[3].reason == "public-4: has no IPv4 address"
    assert redacted.local == "private-1:5000"
    assert redacted.environment[0].text == "gateway private-2."
    assert [port.host for port in redacted.ports] == ["server-3", "server-1"]
    assert redacted.ports[0].detail == "server-3: Name or service not known"
    assert redacted.ports[1].detail == "issued by issuer-1, no public root"
    assert redacted.tcp is not None and redacted.tcp.via_proxy == "proxy-1:3128"
    assert [test.id for test in redacted.tests] == [
        "reach.public-3:3478",
        "reach.public-4:3478",
        "reach.server-2:3478",
    ]
    assert redacted.warnings[0].endswith("by proxy-1")


def test_names_stay_from_one_round_to_the_next() -> None:
    redactor = Redactor()
    first = redactor.report(report())
    moved = report(
        mapped=[
            {"server": "8.8.8.8:3478", "address": "9.9.9.10:5000"},
            {"server": "8.8.8.8:3478", "address": "9.9.9.9:5000"},
        ],
        servers=[{"name": "new.example:3478"}, {"name": "stun.example.org:3478"}],
    )
    second = redactor.report(moved)
    assert second.mapped[1].address == first.mapped[0].address
    assert second.mapped[0].address != first.mapped[0].address
    assert second.servers[1].name == first.servers[0].name == "server-1:3478"


@pytest.mark.parametrize("name", ["udp", "open", "pass", "yes", "high", "works", "EIM", "default"])
def test_a_host_that_is_called_as_a_word_of_the_report_does_not_change_it(name: str) -> None:
    redacted = Redactor().report(report(servers=[{"name": f"{name}:3478"}]))
    assert redacted.servers[0].name == "server-1:3478"
    assert msgspec.json.decode(msgspec.json.encode(redacted), type=NatReport) == redacted
    assert (redacted.level, redacted.works, redacted.nat) == (
        "default",
        report().works,
        report().nat,
    )
