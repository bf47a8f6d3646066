"""The conditions of a run: the network between the NATs, and the shares of their kinds."""

import math
import tomllib
from collections.abc import Mapping
from pathlib import Path

import msgspec

from sfukit import units
from sfukit.errors import UsageError
from sfukit.probe.natlab.kinds import NatKind, kind_of

_EXAMPLE = (
    "give [mix] with shares, such as port-restricted = 60, and if wanted [network] with loss = '2%'"
)
_MAX_BYTES = 64 * 1024
_MAX_CROSS_TRAFFIC = 10_000.0


class Conditions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The network of a run; the defaults are those of the namespaces: quiet and without loss.

    ``rtt_ms`` and ``server_rtt_ms`` are medians of log-normal round trips to the peer and to the
    servers, ``cross_traffic_per_s`` are mappings of other hosts at a sequential NAT, ``stale`` is
    the share of hosts whose signaled mapping has expired.
    """

    loss: float = 0.0
    rtt_ms: float = 60.0
    rtt_spread: float = 0.5
    server_rtt_ms: float = 30.0
    cross_traffic_per_s: float = 0.0
    stale: float = 0.0
    tcp_tolerated: float = 0.64  # of NATs: Ford, Srisuresh, Kegel, USENIX 2005, table 1


class Mix(msgspec.Struct, frozen=True):
    """Shares of the kinds among hosts, summing to 1, and the network they are in."""

    shares: dict[str, float]
    conditions: Conditions = Conditions()

    @property
    def kinds(self) -> list[NatKind]:
        """List the kinds in the order of the file."""
        return [kind_of(name, "[mix]") for name in self.shares]

    def pair_weight(self, a: str, b: str) -> float:
        """Return the share of pairs of these kinds, in either order, two hosts drawn at random."""
        return self.shares[a] * self.shares[b] * (1 if a == b else 2)


class _File(msgspec.Struct, forbid_unknown_fields=True):
    mix: dict[str, float]
    network: dict[str, str | float] = {}


def read_weights(path: str) -> Mix:
    """Read a weights file; raise ``UsageError`` naming what cannot be read."""
    try:
        with Path(path).open("rb") as file:
            text = file.read(_MAX_BYTES + 1)
        if len(text) > _MAX_BYTES:
            raise UsageError(f"{path}: longer than {_MAX_BYTES} bytes", hint=_EXAMPLE)
        given = msgspec.convert(tomllib.loads(text.decode()), _File)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}", hint=_EXAMPLE) from error
    except (ValueError, msgspec.ValidationError) as error:
        raise UsageError(f"{path}: {error}", hint=_EXAMPLE) from error
    return Mix(_shares(given.mix, path), _conditions(given.network, path))


def _shares(mix: Mapping[str, float], path: str) -> dict[str, float]:
    for name, weight in mix.items():
        kind_of(name, f"{path}: [mix]")
        if not (weight >= 0 and math.isfinite(weight)):
            raise UsageError(f"{path}: [mix] {name} = {weight} is no share", hint="give 0 or more")
    total = sum(mix.values())
    if not 0 < total < math.inf:
        raise UsageError(f"{path}: [mix] weighs nothing", hint=_EXAMPLE)
    return {name: weight / total for name, weight in mix.items() if weight}


def _conditions(network: Mapping[str, str | float], path: str) -> Conditions:
    values = {}
    for name, given in network.items():
        where = f"{path}: [network] {name}"
        if name in ("loss", "stale", "tcp_tolerated"):
            values[name] = units.ratio(str(given), where)
        elif name in ("rtt_ms", "server_rtt_ms", "rtt_spread", "cross_traffic_per_s"):
            values[name] = _number(given, where)
        else:
            known = ", ".join(Conditions.__struct_fields__)
            raise UsageError(f"{where}: the name is unknown", hint=f"known: {known}")
    return msgspec.convert(values, Conditions)


def _number(given: str | float, where: str) -> float:
    if isinstance(given, str) or not 0 <= given <= _MAX_CROSS_TRAFFIC:
        raise UsageError(
            f"{where} = {given!r} cannot be used", hint=f"a number of 0 to {_MAX_CROSS_TRAFFIC:.0f}"
        )
    return float(given)
