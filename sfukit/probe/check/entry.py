"""What both ways in have in common: who enters, with which token, and how a refusal is named."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

from sfukit.probe.check.options import granted_by
from sfukit.probe.course import Course, StepFailedError
from sfukit.probe.finding import Step

_DOOR = frozenset((401, 403))
_NOBODY = frozenset((404, 405))
_FIXES = {
    "token_missing": "give --token, or --api-key and --api-secret",
    "token_invalid": "is it made with this server's key and secret? make one with: sfukit token",
    "token_expired": "make a new one: sfukit token",
    "room_denied": "the token is for another room: give --room, or another token",
    "join_denied": "the token lacks roomJoin: make one with: sfukit token",
    "publish_denied": "the token lacks canPublish: make one with: sfukit token --publish",
    "create_denied": "the token lacks roomCreate, and the room is not there yet",
    "origin_denied": "the server admits no such origin (--allow-origin)",
}


Role = Literal["publisher", "subscriber"]


@dataclass(frozen=True)
class Refused:
    """A server's no: HTTP status, reason code, sentence, Retry-After, as far as it gives them."""

    status: int | None
    reason: str
    detail: str
    retry_after: str | None = None


class Answer(NamedTuple):
    """What an offer was answered with, how long that took, and what is odd about it."""

    sdp: str
    ms: float
    notes: Sequence[str] = ()


class Entry(Protocol):
    """A way in: makes an offer, gets an answer, leaves again."""

    async def exchange(self, course: Course, offer: str) -> Answer:
        """Take the steps up to ``token``; return the answer."""

    async def leave(self) -> None:
        """Say goodbye; never fails."""


def token_in(headers: Mapping[str, str]) -> str | None:
    """Take the bearer token out of headers."""
    shown = (value for name, value in headers.items() if name.lower() == "authorization")
    return next(shown, "").removeprefix("Bearer ") or None


def refuse(
    course: Course,
    refused: Refused,
    token: str | None,
    *,
    at: str = "sdp",
    role: Role = "publisher",
) -> StepFailedError:
    """Write the step down at which a server said no, and return what is to be raised.

    Who refuses what an offer says has let us in; a refused upgrade, or no such URL, tells nothing
    of the token.
    """
    if refused.status in _DOOR or refused.reason in _FIXES:
        failed = _at_the_door(refused, token)
        course.failed("token", failed)
        return failed
    if at == "sdp" and refused.status not in _NOBODY:
        accepted(course, token)
    failed = _of_the_offer(refused, role)
    course.failed(at, failed)
    return failed


def accepted(course: Course, token: str | None) -> None:
    """Write down that the server let us in."""
    course.add(Step(name="token", state="ok", found="accepted" if token else "none was needed"))


def _at_the_door(refused: Refused, token: str | None) -> StepFailedError:
    reason = refused.reason
    expires_s = granted_by(token).expires_s
    if token is None:
        reason = "token_missing"
    elif expires_s is not None and expires_s < time.time():
        ago = time.time() - expires_s
        fix = _FIXES["token_expired"]
        return StepFailedError(f"token_expired({ago:.0f}s ago)", refused.detail, fix)
    cause = reason or "token_refused"
    return StepFailedError(cause, refused.detail, _FIXES.get(cause, "look into the server's log"))


def _of_the_offer(refused: Refused, role: Role) -> StepFailedError:
    match refused.status:
        case 404:
            return StepFailedError(
                "not_found_404", "no such endpoint: the path is wrong", "check the path of the URL"
            )
        case 405:
            return StepFailedError(
                "method_405", "this URL takes no POST", "is this the WHIP or WHEP endpoint?"
            )
        case 409:
            return _conflict(refused, role)
        case 503 | 429:
            cause = refused.reason or ("overloaded" if refused.status == 503 else "rate_limited")
            fix = "the server is full: wait or grow" if refused.status == 503 else "ask less often"
            return StepFailedError(cause, refused.detail + _retry(refused), fix)
    cause = refused.reason or f"http_{refused.status}"
    return StepFailedError(cause, refused.detail + _retry(refused), "look into the server's log")


def _conflict(refused: Refused, role: Role) -> StepFailedError:
    """Name a 409: to a subscriber no publisher is there, to a publisher another one is."""
    if role == "subscriber":
        cause = refused.reason or "not_live"
        found = f"no publisher is live there: {refused.detail}"
        return StepFailedError(cause, found + _retry(refused), "start a publisher first")
    return StepFailedError(
        refused.reason or "busy",
        f"another publisher is live there: {refused.detail}{_retry(refused)}",
        "stop the other publisher, wait until its session ends, or publish under another name",
    )


def _retry(refused: Refused) -> str:
    return "" if refused.retry_after is None else f"; Retry-After: {refused.retry_after}"
