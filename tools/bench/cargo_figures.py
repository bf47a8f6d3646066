"""Figures out of what the Rust benches print."""

import re
from collections.abc import Iterator

from tools.bench.figure import Figure, at_most, exactly, worst

HOT_PATH_NS = 320.0

_HOT_PATH = re.compile(
    r"(?P<name>\S.*?)\s+(?P<ns>\d+) ns a packet \(best \d+\), (?P<allocations>[\d.]+) allocations.*"
)
_SEND_FLOOR = re.compile(r"\s*(?P<run>\d+)\s+(?P<datagram_ns>\d+)\s+\d+")
_SRTP = re.compile(r"(?P<profile>\S+)\s+(?P<bytes>\d+)\s+(?P<seal_ns>\d+)\s+(?P<open_ns>\d+)")
_DTLS = re.compile(r"(?P<peer>.+?)\s+server end\s+(?P<server>\d+)/s\s+both ends\s+\d+/s")
_ASSOCIATION = re.compile(r"memory per idle association (?P<kb>[\d.]+) KB")


def hot_path(printed: str) -> list[Figure]:
    """Judge the lines of video by time, all lines by allocations."""
    lines = list(_matches(_HOT_PATH, printed))
    video = [float(line["ns"]) for line in lines if "video" in line["name"]]
    allocations = [float(line["allocations"]) for line in lines]
    told = [Figure(f"{line['name']}, ns per packet", float(line["ns"]), "ns") for line in lines]
    return [
        *told,
        Figure("slowest video, ns per packet", worst([*video]), "ns", at_most(HOT_PATH_NS)),
        Figure("most allocations per packet", worst([*allocations]), "", exactly(0.0)),
    ]


def send_floor(printed: str) -> list[Figure]:
    """Return the cost of sending alone, by datagrams per GSO run."""
    return [
        Figure(f"runs of {line['run']}, ns per datagram", float(line["datagram_ns"]), "ns")
        for line in _matches(_SEND_FLOOR, printed)
    ]


def srtp(printed: str) -> list[Figure]:
    """Return the cost of protecting and unprotecting an SRTP packet, by profile and size."""
    return [
        Figure(
            f"{line['profile']} {line['bytes']} bytes, {what} ns", float(line[f"{what}_ns"]), "ns"
        )
        for line in _matches(_SRTP, printed)
        for what in ("seal", "open")
    ]


def dtls(printed: str) -> list[Figure]:
    """Return the DTLS handshakes per CPU second, and the memory of an idle association."""
    figures = [
        Figure(f"{line['peer']}, handshakes per second of the server's CPU", float(line["server"]))
        for line in _matches(_DTLS, printed)
    ]
    kept = _ASSOCIATION.search(printed)
    return [*figures, Figure("idle association, KB", float(kept["kb"]) if kept else None, "KB")]


def _matches(pattern: re.Pattern[str], printed: str) -> Iterator[re.Match[str]]:
    return filter(None, map(pattern.fullmatch, printed.splitlines()))
