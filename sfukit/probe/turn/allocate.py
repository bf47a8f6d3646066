"""Create an allocation: Allocate without credentials, then with them (RFC 8656 section 7)."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from aioice import stun, turn

from sfukit.probe.finding import Stopwatch
from sfukit.probe.resolve import Address as Place
from sfukit.probe.steps import Note, StepFailedError, StepRecorder
from sfukit.probe.turn import alternate, attributes, causes, denial
from sfukit.probe.turn.client import LIFETIME_S, Address, Client, RefusedError, send_request
from sfukit.probe.turn.options import TurnOptions
from sfukit.turn.credentials import Credentials

Reopen = Callable[[], Awaitable[Client]]

_FAMILY_UNSUPPORTED = 440
_FAMILY_6 = 0x02000000


@dataclass
class Allocation:
    """An allocation: relayed and mapped address, lifetime; ``anonymous``: without credentials."""

    relay: Address
    mapped: Address | None
    lifetime_s: int
    anonymous: bool


async def allocate(
    recorder: StepRecorder,
    client: Client,
    server: Place,
    options: TurnOptions,
    reopen: Reopen | None = None,
) -> Allocation:
    """Run the steps ``unauthenticated``, ``auth`` and ``allocate``.

    With ``reopen`` a refused REST credential is tested for clock skew over a second connection.
    Raises ``AlternateServerError`` for a 300.
    """
    challenge = await _unauthenticated(recorder, client, options)
    if isinstance(challenge, RefusedError) and challenge.code == alternate.CODE:
        raise alternate.redirect_error(recorder, challenge, server, options)
    if isinstance(challenge, stun.Message):
        recorder.skip("auth", "the server requires no credentials")
        with recorder.step("allocate") as note:
            note.ms = 0.0
            return _noted(note, _read(challenge, anonymous=True), server)
    return await _with_credentials(recorder, client, server, challenge, options, reopen)


async def allocate_unrecorded(client: Client, options: TurnOptions) -> Allocation:
    """Create an allocation on another client without recording steps."""
    return await allocate(StepRecorder(), client, Place(*client.server[:2]), options)


async def _unauthenticated(
    recorder: StepRecorder, client: Client, options: TurnOptions
) -> stun.Message | RefusedError:
    """Send Allocate without credentials; the expected response is 401 with realm and nonce."""
    with recorder.step("unauthenticated") as note:
        try:
            answer = await send_request(
                client, stun.Method.ALLOCATE, _requested(options), options.timeout_s
            )
        except RefusedError as refused:
            if refused.code == alternate.CODE:
                note.found = str(refused)
                return refused
            if refused.code != 401:
                raise causes.of_refusal(refused) from refused
            absent = [
                name.lower() for name in ("REALM", "NONCE") if not refused.attributes.get(name)
            ]
            if absent:
                raise causes.realm_missing(" and no ".join(absent)) from refused
            note.found = denial.describe(refused)
            return refused
        note.found = "allocated without credentials: an open relay"
        return answer


async def _with_credentials(
    recorder: StepRecorder,
    client: Client,
    server: Place,
    challenge: RefusedError,
    options: TurnOptions,
    reopen: Reopen | None,
) -> Allocation:
    credentials = options.login.credentials(options.now_s())
    refusal: RefusedError | None = None
    answer: stun.Message | None = None
    watch = Stopwatch()
    with recorder.step("auth") as note:
        if credentials is None:
            raise causes.of_denied_credentials(None, challenge, options.now_s())
        note.found = f"as {credentials.username}"
        _sign_with(client, credentials, challenge)
        try:
            answer = await _send_allocate(client, options)
        except RefusedError as refused:
            if refused.code in denial.CODES:
                denied = _Denied(credentials, challenge, client.realm or "", refused)
                raise await _why_denied(denied, options, reopen) from refused
            refusal = refused
            if not refused.signed:
                note.unknown = True
                note.found += ": no valid MESSAGE-INTEGRITY, so the password is not confirmed"
        except StepFailedError as failed:
            if failed.cause == "no_answer":
                raise causes.silent_after_401(options.timeout_s) from failed
            raise
    if refusal is not None and refusal.code == alternate.CODE:
        raise alternate.redirect_error(recorder, refusal, server, options)
    with recorder.step("allocate") as note:
        if refusal is not None:
            raise causes.of_refusal(refusal)
        assert answer is not None
        note.ms = watch.ms
        return _noted(note, _read(answer, anonymous=False), server)


async def _send_allocate(client: Client, options: TurnOptions) -> stun.Message:
    """Request an IPv4 allocation, and IPv6 after a 440 (RFC 8656 section 7.2)."""
    try:
        return await send_request(
            client, stun.Method.ALLOCATE, _requested(options), options.timeout_s
        )
    except RefusedError as refused:
        if refused.code != _FAMILY_UNSUPPORTED or options.relay_family == 6:
            raise
        wanted = _requested(replace(options, relay_family=6))
        return await send_request(client, stun.Method.ALLOCATE, wanted, options.timeout_s)


def _requested(options: TurnOptions) -> dict[str, int]:
    """Return the attributes of an Allocate request."""
    wanted = {"LIFETIME": LIFETIME_S, "REQUESTED-TRANSPORT": options.relay_transport}
    return {**wanted, attributes.FAMILY: _FAMILY_6} if options.relay_family == 6 else wanted


@dataclass(frozen=True)
class _Denied:
    """Denied credentials: the first 401, the realm of the request, the error response."""

    credentials: Credentials
    challenge: RefusedError
    realm: str
    refused: RefusedError


async def _why_denied(
    denied: _Denied, options: TurnOptions, reopen: Reopen | None
) -> StepFailedError:
    """Test a credential that expires far in the future: accepted, only the clocks differ.

    It needs a new connection: a server may bind the old one to its first user name.
    """
    challenge, refused, now_s = denied.challenge, denied.refused, options.now_s()
    if (other := denial.other_cause(challenge, denied.realm, refused)) is not None:
        return other
    plain = denial.explained(
        causes.of_denied_credentials(denied.credentials, refused, now_s), challenge, denied.realm
    )
    far = options.login.far_credentials(now_s)
    if far is None or reopen is None:
        return plain
    try:
        client = await reopen()
    except StepFailedError:
        return plain
    try:
        _sign_with(client, far, refused)
        await send_request(client, stun.Method.ALLOCATE, _requested(options), options.timeout_s)
        await send_request(client, stun.Method.REFRESH, {"LIFETIME": 0}, options.timeout_s)
    except (RefusedError, StepFailedError):
        return plain
    finally:
        client.transport.close()
    return causes.clock_skew(denied.credentials.username)


def _sign_with(client: Client, credentials: Credentials, challenge: RefusedError) -> None:
    """Set the long-term credential of a client (RFC 8489 section 9.2.2)."""
    client.username, client.password = credentials.username, credentials.password
    client.realm = challenge.attributes.get("REALM", client.realm) or ""
    client.nonce = challenge.attributes.get("NONCE", client.nonce)
    client.integrity_key = turn.make_integrity_key(
        credentials.username, client.realm, credentials.password
    )


def _read(answer: stun.Message, *, anonymous: bool) -> Allocation:
    """Read an allocation; relayed address and lifetime are required (RFC 8656 section 7.2)."""
    relay, lifetime_s = (
        answer.attributes.get("XOR-RELAYED-ADDRESS"),
        answer.attributes.get("LIFETIME"),
    )
    if relay is None or lifetime_s is None:
        raise StepFailedError(
            "answer_incomplete",
            "the success response has no relayed address or no lifetime",
            "is it a TURN server? see the server's log",
        )
    return Allocation(relay, answer.attributes.get("XOR-MAPPED-ADDRESS"), lifetime_s, anonymous)


def _noted(note: Note, allocation: Allocation, server: Place) -> Allocation:
    """Record an allocation; one with a private address may still work from here."""
    relay = Place(*allocation.relay[:2])
    note.found = f"relay {relay} for {allocation.lifetime_s} s"
    if causes.reach(relay.ip) < causes.reach(server.ip):
        note.fault = causes.relay_address_private(relay.ip, server.ip)
    return allocation
