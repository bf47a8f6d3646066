"""The kinds of NAT that the lab knows, as properties (RFC 4787, RFC 5780)."""

from collections.abc import Mapping
from typing import Literal, get_args

import msgspec

from sfukit.errors import UsageError

MappingRule = Literal["EIM", "ADM", "APDM"]
FilterRule = Literal["EIF", "ADF", "APDF"]
Allocation = Literal["preserving", "sequential", "random"]


class NatKind(msgspec.Struct, frozen=True):
    """One NAT: mapping (RFC 4787 section 4.1), filtering (section 5), and the choice of ports.

    ``hairpin`` connects two hosts behind it by its external address (section 6), ``udp`` is False
    where datagrams are dropped.
    """

    name: str
    mapping: MappingRule
    filtering: FilterRule
    allocation: Allocation
    hairpin: bool = False
    udp: bool = True

    @property
    def symmetric(self) -> bool:
        """Whether each destination sees another port."""
        return self.mapping != "EIM"


KINDS: Mapping[str, NatKind] = {
    kind.name: kind
    for kind in (
        NatKind("open", "EIM", "EIF", "preserving"),
        NatKind("firewall", "EIM", "APDF", "preserving"),
        NatKind("full-cone", "EIM", "EIF", "preserving"),
        NatKind("address-restricted", "EIM", "ADF", "preserving"),
        NatKind("port-restricted", "EIM", "APDF", "preserving"),
        NatKind("eim-not-preserving", "EIM", "APDF", "random"),
        NatKind("adm", "ADM", "APDF", "random"),
        NatKind("apdm", "APDM", "APDF", "random"),
        NatKind("symmetric-sequential", "APDM", "APDF", "sequential"),
        NatKind("symmetric-random", "APDM", "APDF", "random"),
        NatKind("hairpin", "EIM", "EIF", "preserving", hairpin=True),
        NatKind("cgnat:port-restricted", "EIM", "APDF", "preserving"),
        NatKind("cgnat:symmetric-random", "APDM", "APDF", "random"),
        NatKind("udp-blocked", "EIM", "APDF", "preserving", udp=False),
    )
}

MATRIX_KINDS = (
    "full-cone",
    "address-restricted",
    "port-restricted",
    "symmetric-sequential",
    "symmetric-random",
)
"""The five of the reference matrix: fifteen pairs."""

SAME = "same"
"""In place of the second kind: both hosts are behind the first NAT, in different homes."""


def kind_of(text: str, where: str) -> NatKind:
    """Read a kind by its name, or as ``MAPPING/FILTERING/ALLOCATION``; raise ``UsageError``."""
    if text in KINDS:
        return KINDS[text]
    parts = text.split("/")
    choices = [get_args(rule) for rule in (MappingRule, FilterRule, Allocation)]
    if len(parts) == 3 and all(part in known for part, known in zip(parts, choices, strict=True)):
        return _custom(parts)
    raise UsageError(
        f"{where}: no kind of NAT is called {text}",
        hint=f"one of {', '.join(KINDS)}, or such as APDM/EIF/random",
    )


def _custom(parts: list[str]) -> NatKind:
    named = dict(zip(("mapping", "filtering", "allocation"), parts, strict=True))
    return msgspec.convert({"name": "/".join(parts), **named}, NatKind)
