"""300 Try Alternate (RFC 8489 section 10): the alternate server, followed once."""

from sfukit.probe.resolve import Address, is_host
from sfukit.probe.steps import StepFailedError, StepRecorder
from sfukit.probe.turn import attributes, causes
from sfukit.probe.turn.client import RefusedError
from sfukit.probe.turn.options import TurnOptions

CODE = 300
STEP = "alternate"


class AlternateServerError(StepFailedError):
    """The server redirects to an alternate server that may be used."""

    def __init__(self, address: Address) -> None:
        super().__init__("try_alternate_300", f"the server redirects to {address}")
        self.address = address


def redirect_error(
    recorder: StepRecorder, refused: RefusedError, server: Address, options: TurnOptions
) -> AlternateServerError:
    """Run the step ``alternate``; return the error to raise, or raise why it is not followed."""
    with recorder.step(STEP) as note:
        note.ms = 0.0
        address = attributes.alternate(refused.attributes)
        if address is None:
            raise _not_followed(refused, "no address (ALTERNATE-SERVER is missing)")
        if why := _objection(address, server):
            raise _not_followed(refused, f"{address}, {why}")
        if options.needs_permission and address.ip != server.ip:
            raise StepFailedError(
                "try_alternate_300",
                f"{refused}: the server redirects clients to {address}; --security, --throughput "
                "and --allocations are for the requested server only",
                f"if that server is yours: probe turn:{address}",
            )
        note.found = f"300 redirects to {address}"
        return AlternateServerError(address)


def second_redirect(recorder: StepRecorder, first: Address, second: Address) -> StepFailedError:
    """Record a second 300, of an alternate server."""
    failed = StepFailedError(
        "try_alternate_300",
        f"{first} redirects to {second}: only one 300 is followed",
        "do the servers redirect in a loop? probe the last one directly",
    )
    recorder.failed(STEP, failed)
    return failed


def _not_followed(refused: RefusedError, where: str) -> StepFailedError:
    return StepFailedError(
        "try_alternate_300",
        f"{refused}: the server redirects its clients to {where}",
        "check the server's list of alternates (coturn: alternate-server)",
    )


def _objection(address: Address, server: Address) -> str:
    """Return why an alternate server is not used, or an empty string."""
    if address == server:
        return "which is its own address"
    if address.family != server.family:
        return "an address of another family (RFC 8489 section 14.15)"
    if not address.port or not is_host(address.ip):
        return "which is no host address"
    if causes.reach(address.ip) < causes.reach(server.ip):
        return f"which is less reachable than {server.ip}"
    return ""
