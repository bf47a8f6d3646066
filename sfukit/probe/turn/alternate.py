"""300 Try Alternate (RFC 8489 section 10): another server to ask, followed once."""

from sfukit.probe.course import Course, StepFailedError
from sfukit.probe.resolve import Address, is_host
from sfukit.probe.turn import attributes, causes
from sfukit.probe.turn.client import RefusedError
from sfukit.probe.turn.options import TurnOptions

CODE = 300
STEP = "alternate"


class SentElsewhereError(StepFailedError):
    """The server names another, which may be asked; a failure where nothing follows."""

    def __init__(self, address: Address) -> None:
        super().__init__("try_alternate_300", f"the server sends on to {address}")
        self.address = address


def sent(
    course: Course, refused: RefusedError, server: Address, options: TurnOptions
) -> SentElsewhereError:
    """Take the step ``alternate``; return what is to be raised, or raise why it is not followed."""
    with course.step(STEP) as note:
        note.ms = 0.0
        address = attributes.alternate(refused.attributes)
        if address is None:
            raise _not_followed(refused, "a server that it does not name (no ALTERNATE-SERVER)")
        if why := _objection(address, server):
            raise _not_followed(refused, f"{address}, {why}")
        if options.needs_permission and address.ip != server.ip:
            raise StepFailedError(
                "try_alternate_300",
                f"{refused}: the server sends its clients to {address}; --security, --throughput "
                "and --allocations are for the server that was named",
                f"if that server is yours: probe turn:{address} itself",
            )
        note.found = f"300 sends to {address}"
        return SentElsewhereError(address)


def twice(course: Course, first: Address, second: Address) -> StepFailedError:
    """Write down that a server that was named names yet another."""
    failed = StepFailedError(
        "try_alternate_300",
        f"{first} sends on to {second}: only one 300 is followed",
        "do the servers send clients in a circle? probe the last one by itself",
    )
    course.failed(STEP, failed)
    return failed


def _not_followed(refused: RefusedError, where: str) -> StepFailedError:
    return StepFailedError(
        "try_alternate_300",
        f"{refused}: the server sends its clients to {where}",
        "look at the server's list of alternates (coturn: alternate-server)",
    )


def _objection(address: Address, server: Address) -> str:
    """Say why an address is not asked: no host has it, or fewer reach it than reach the server."""
    if address == server:
        return "which is itself"
    if address.family != server.family:
        return "an address of the other family (RFC 8489 section 14.15)"
    if not address.port or not is_host(address.ip):
        return "which is the address of no server"
    if causes.reach(address.ip) < causes.reach(server.ip):
        return f"which fewer reach than {server.ip}"
    return ""
