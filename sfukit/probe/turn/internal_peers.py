"""Address ranges that a TURN server of the public Internet should not relay to.

Each is tried at both of its ends, since a range of a configuration may be too short. The fixes are
options of coturn. Sources: RFC 6890 (special-purpose addresses), RFC 8656 section 21.1.3.
"""

from dataclasses import dataclass

_ALL_ONES = "ffff:ffff:ffff:ffff:ffff:ffff:ffff"


@dataclass(frozen=True)
class PeerRange:
    """One range: name for programs, words for people, addresses to try, option of coturn."""

    name: str
    words: str
    addresses: tuple[str, ...]
    fix: str


def _denied(first: str, last: str) -> str:
    return f"denied-peer-ip={first}-{last}"


RANGES_4 = (
    PeerRange(
        "loopback",
        "loopback 127.0.0.0/8",
        ("127.0.0.1", "127.255.255.254"),
        "no allow-loopback-peers",
    ),
    PeerRange(
        "unspecified",
        "this host 0.0.0.0/8",
        ("0.0.0.0", "0.255.255.255"),
        _denied("0.0.0.0", "0.255.255.255"),
    ),
    PeerRange(
        "metadata",
        "cloud metadata 169.254.169.254",
        ("169.254.169.254",),
        _denied("169.254.0.0", "169.254.255.255"),
    ),
    PeerRange(
        "link_local",
        "link-local 169.254.0.0/16",
        ("169.254.0.1", "169.254.255.254"),
        _denied("169.254.0.0", "169.254.255.255"),
    ),
    PeerRange(
        "private_10",
        "private 10.0.0.0/8",
        ("10.0.0.1", "10.255.255.254"),
        _denied("10.0.0.0", "10.255.255.255"),
    ),
    PeerRange(
        "private_172",
        "private 172.16.0.0/12",
        ("172.16.0.1", "172.31.255.254"),
        _denied("172.16.0.0", "172.31.255.255"),
    ),
    PeerRange(
        "private_192",
        "private 192.168.0.0/16",
        ("192.168.0.1", "192.168.255.254"),
        _denied("192.168.0.0", "192.168.255.255"),
    ),
    PeerRange(
        "shared_100",
        "shared 100.64.0.0/10 (CGNAT)",
        ("100.64.0.1", "100.127.255.254"),
        _denied("100.64.0.0", "100.127.255.255"),
    ),
    PeerRange(
        "multicast",
        "multicast 224.0.0.0/4",
        ("224.0.0.1", "239.255.255.250"),
        "no-multicast-peers",
    ),
    PeerRange(
        "broadcast",
        "reserved 240.0.0.0/4 and broadcast",
        ("240.0.0.1", "255.255.255.255"),
        _denied("240.0.0.0", "255.255.255.255"),
    ),
)
RANGES_6 = (
    PeerRange("loopback_6", "loopback ::1", ("::1",), "no allow-loopback-peers"),
    PeerRange("unspecified_6", "unspecified ::", ("::",), "denied-peer-ip=::"),
    PeerRange(
        "mapped_6",
        "IPv4-mapped ::ffff:0:0/96",
        ("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254"),
        _denied("::ffff:0.0.0.0", "::ffff:255.255.255.255"),
    ),
    PeerRange(
        "translated_6",
        "translated to IPv4 64:ff9b::/96",
        ("64:ff9b::127.0.0.1", "64:ff9b::10.0.0.1"),
        _denied("64:ff9b::", "64:ff9b::ffff:ffff"),
    ),
    PeerRange(
        "metadata_6",
        "cloud metadata fd00:ec2::254",
        ("fd00:ec2::254",),
        _denied("fc00::", f"fdff:{_ALL_ONES}"),
    ),
    PeerRange(
        "unique_local_6",
        "unique local fc00::/7",
        ("fc00::1", "fd00::1", f"fdff:{_ALL_ONES}"),
        _denied("fc00::", f"fdff:{_ALL_ONES}"),
    ),
    PeerRange(
        "link_local_6",
        "link-local fe80::/10",
        ("fe80::1", f"febf:{_ALL_ONES}"),
        _denied("fe80::", f"febf:{_ALL_ONES}"),
    ),
    PeerRange("multicast_6", "multicast ff00::/8", ("ff02::1", "ff05::1:3"), "no-multicast-peers"),
)
