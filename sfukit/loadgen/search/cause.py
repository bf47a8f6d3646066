"""What broke first: side, resource and gate, from the smallest load that did not pass. Pure."""

from collections.abc import Mapping

from sfukit.errors import ExitCode
from sfukit.loadgen.metrics.ledger import RATE_LIMITED
from sfukit.loadgen.result.report import Side
from sfukit.loadgen.search.search_report import Broke, Cause, Probe

_CAUSES: Mapping[Side, Cause] = {
    "none": "server",
    "server": "server",
    "swarm": "load generator",
    "shared": "shared core",
}
_POLICY = "rate limit (policy)"


def broke_first(probe: Probe) -> Broke:
    """Return what broke in a probe that did not pass.

    A gate that is not met while no resource of the load generator was at its limit is the
    server's, with the network to it: then ``resource`` may be unknown.
    """
    gate = next((one.gate for one in probe.gates if one.ok is False), None)
    return Broke(
        clients=probe.clients,
        side=_side(probe),
        resource=_resource(probe),
        gate=gate,
        reasons=probe.reasons,
    )


def _side(probe: Probe) -> Cause:
    if probe.verdict == "fail":
        return "server"
    cause = _CAUSES[probe.saturation.side]
    return cause if probe.saturation.side in ("swarm", "shared") else "unknown"


def _resource(probe: Probe) -> str | None:
    if any(fault.code == RATE_LIMITED for fault in probe.errors):
        return _POLICY
    if probe.exit_code == ExitCode.TARGET:
        return None
    if probe.verdict == "fail" and probe.saturation.side in ("swarm", "shared"):
        return None  # the evidence is of the load generator, the failure is stated by the server
    return next(iter(probe.saturation.resources), None)
