"""Getting an allocation: the first round without credentials, the second with them."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aioice import stun, turn

from sfukit.probe.course import Course, Note, StepFailedError
from sfukit.probe.finding import Stopwatch
from sfukit.probe.resolve import Address as Place
from sfukit.probe.turn import causes
from sfukit.probe.turn.client import (
    FAMILY,
    FAMILY_6,
    LIFETIME_S,
    Address,
    Client,
    RefusedError,
    ask,
)
from sfukit.probe.turn.credentials import Credentials
from sfukit.probe.turn.options import TurnOptions

Reopen = Callable[[], Awaitable[Client]]

_ALLOCATE = {"LIFETIME": LIFETIME_S, "REQUESTED-TRANSPORT": turn.UDP_TRANSPORT}
_DENIED = (401, 438, 441)
_FAMILY_UNSUPPORTED = 440


@dataclass
class Allocation:
    """A relay of our own: its address, ours as the server sees it, and how it was got."""

    relay: Address
    mapped: Address | None
    lifetime_s: int
    anonymous: bool


async def allocate(
    course: Course,
    client: Client,
    server: Place,
    options: TurnOptions,
    reopen: Reopen | None = None,
) -> Allocation:
    """Take the steps ``unauthenticated``, ``auth`` and ``allocate``.

    With ``reopen`` a refused REST credential is looked into over a second connection.
    """
    challenge = await _unauthenticated(course, client, options)
    if isinstance(challenge, stun.Message):
        course.skip("auth", "the server asks for no credentials")
        with course.step("allocate") as note:
            note.ms = 0.0
            return _noted(note, _read(challenge, anonymous=True), server)
    return await _with_credentials(course, client, server, challenge, options, reopen)


async def login(client: Client, options: TurnOptions) -> Allocation:
    """Get an allocation on another client, without writing steps down."""
    return await allocate(Course(), client, Place(*client.server[:2]), options)


async def _unauthenticated(
    course: Course, client: Client, options: TurnOptions
) -> stun.Message | RefusedError:
    """Ask without credentials: a proper server answers 401 with its realm and a nonce."""
    with course.step("unauthenticated") as note:
        try:
            answer = await ask(client, stun.Method.ALLOCATE, _ALLOCATE, options.timeout_s)
        except RefusedError as refused:
            if refused.code != 401:
                raise causes.of_refusal(refused) from refused
            absent = [
                name.lower() for name in ("REALM", "NONCE") if not refused.attributes.get(name)
            ]
            if absent:
                raise causes.realm_missing(" and no ".join(absent)) from refused
            note.found = f"401, realm {refused.attributes['REALM']!r}"
            return refused
        note.found = "allocated without credentials: an open relay"
        return answer


async def _with_credentials(
    course: Course,
    client: Client,
    server: Place,
    challenge: RefusedError,
    options: TurnOptions,
    reopen: Reopen | None,
) -> Allocation:
    now_s = options.now_s()
    credentials = options.login.credentials(now_s)
    refusal: RefusedError | None = None
    answer: stun.Message | None = None
    watch = Stopwatch()
    with course.step("auth") as note:
        if credentials is None:
            raise causes.of_denied_credentials(None, challenge, now_s)
        _sign_with(client, credentials, challenge)
        try:
            answer = await _ask_allocation(client, options)
        except RefusedError as refused:
            if refused.code in _DENIED:
                raise await _why_denied(credentials, refused, options, reopen) from refused
            refusal = refused
        note.found = f"as {credentials.username}"
    with course.step("allocate") as note:
        if refusal is not None:
            raise causes.of_refusal(refusal)
        assert answer is not None
        note.ms = watch.ms
        return _noted(note, _read(answer, anonymous=False), server)


async def _ask_allocation(client: Client, options: TurnOptions) -> stun.Message:
    """Ask for a relay of IPv4, and of IPv6 where the server has no other (RFC 8656 section 7.2)."""
    try:
        return await ask(client, stun.Method.ALLOCATE, _ALLOCATE, options.timeout_s)
    except RefusedError as refused:
        if refused.code != _FAMILY_UNSUPPORTED:
            raise
        wanted = {**_ALLOCATE, FAMILY: FAMILY_6}
        return await ask(client, stun.Method.ALLOCATE, wanted, options.timeout_s)


async def _why_denied(
    credentials: Credentials, refused: RefusedError, options: TurnOptions, reopen: Reopen | None
) -> StepFailedError:
    """Look whether a credential that ends far ahead is taken: then only the clocks differ.

    It takes a new connection: a server may hold the old one to the name it has seen first.
    """
    now_s = options.now_s()
    plain = causes.of_denied_credentials(credentials, refused, now_s)
    far = options.login.far_credentials(now_s)
    if far is None or reopen is None:
        return plain
    try:
        client = await reopen()
    except StepFailedError:
        return plain
    try:
        _sign_with(client, far, refused)
        await ask(client, stun.Method.ALLOCATE, _ALLOCATE, options.timeout_s)
        await ask(client, stun.Method.REFRESH, {"LIFETIME": 0}, options.timeout_s)
    except (RefusedError, StepFailedError):
        return plain
    finally:
        client.transport.close()
    return causes.clock_skew(credentials.username)


def _sign_with(client: Client, credentials: Credentials, challenge: RefusedError) -> None:
    """Let the client sign from now on (RFC 8489 section 9.2.2)."""
    client.username, client.password = credentials.username, credentials.password
    client.realm = challenge.attributes.get("REALM", client.realm) or ""
    client.nonce = challenge.attributes.get("NONCE", client.nonce)
    client.integrity_key = turn.make_integrity_key(
        credentials.username, client.realm, credentials.password
    )


def _read(answer: stun.Message, *, anonymous: bool) -> Allocation:
    """Read an allocation; relayed address and lifetime have to be there (RFC 8656 section 7.2)."""
    relay, lifetime_s = (
        answer.attributes.get("XOR-RELAYED-ADDRESS"),
        answer.attributes.get("LIFETIME"),
    )
    if relay is None or lifetime_s is None:
        raise StepFailedError(
            "answer_incomplete",
            "the server accepts, but names no relay address or no lifetime",
            "is it a TURN server? see its log",
        )
    return Allocation(relay, answer.attributes.get("XOR-MAPPED-ADDRESS"), lifetime_s, anonymous)


def _noted(note: Note, allocation: Allocation, server: Place) -> Allocation:
    """Write an allocation down; one of a private address may still work from here."""
    relay = Place(*allocation.relay[:2])
    note.found = f"relay {relay} for {allocation.lifetime_s} s"
    if causes.reach(relay.ip) < causes.reach(server.ip):
        note.fault = causes.relay_address_private(relay.ip, server.ip)
    return allocation
