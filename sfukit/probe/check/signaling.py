"""Common parts of signaling by HTTP and by room: offer and answer, token, refusals."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

from sfukit.probe.check.options import granted_by
from sfukit.probe.finding import Step
from sfukit.probe.steps import StepFailedError, StepRecorder

_DENIED = frozenset((401, 403))
_NO_ENDPOINT = frozenset((404, 405))
_FIXES = {
    "token_missing": "give --token, or --api-key and --api-secret",
    "token_invalid": "is it signed with this server's key and secret? create one: sfukit token",
    "token_expired": "create a new one: sfukit token",
    "room_denied": "the token is for another room: give --room, or another token",
    "join_denied": "the token lacks roomJoin: create one with: sfukit token",
    "publish_denied": "the token lacks canPublish: create one with: sfukit token --publish",
    "create_denied": "the token lacks roomCreate, and the room does not exist yet",
    "origin_denied": "the server does not allow this origin (--allow-origin)",
}


Role = Literal["publisher", "subscriber"]


@dataclass(frozen=True)
class ErrorResponse:
    """An error response: HTTP status, reason code, text and Retry-After, as far as given."""

    status: int | None
    reason: str
    detail: str
    retry_after: str | None = None


class Answer(NamedTuple):
    """The answer to an offer, the time it took, and deviations from RFC 9725."""

    sdp: str
    ms: float
    notes: Sequence[str] = ()


class SignalingClient(Protocol):
    """The signaling of one session: sends an offer, receives an answer, ends the session."""

    async def exchange(self, recorder: StepRecorder, offer: str) -> Answer:
        """Run the steps up to ``token``; return the answer."""

    async def leave(self) -> None:
        """End the session; never raises."""


def token_in(headers: Mapping[str, str]) -> str | None:
    """Return the bearer token of headers."""
    shown = (value for name, value in headers.items() if name.lower() == "authorization")
    return next(shown, "").removeprefix("Bearer ") or None


def refuse(
    recorder: StepRecorder,
    refused: ErrorResponse,
    token: str | None,
    *,
    at: str = "sdp",
    role: Role = "publisher",
) -> StepFailedError:
    """Record the step that the server refused, and return the error to raise.

    A refusal of the offer implies an accepted token; a refused upgrade or a 404 does not.
    """
    if refused.status in _DENIED or refused.reason in _FIXES:
        failed = _token_fault(refused, token)
        recorder.failed("token", failed)
        return failed
    if at == "sdp" and refused.status not in _NO_ENDPOINT:
        accepted(recorder, token)
    failed = _offer_fault(refused, role)
    recorder.failed(at, failed)
    return failed


def accepted(recorder: StepRecorder, token: str | None) -> None:
    """Record that the server let us in."""
    recorder.add(Step(name="token", state="ok", found="accepted" if token else "not required"))


def _token_fault(refused: ErrorResponse, token: str | None) -> StepFailedError:
    reason = refused.reason
    expires_s = granted_by(token).expires_s
    if token is None:
        reason = "token_missing"
    elif expires_s is not None and expires_s < time.time():
        ago = time.time() - expires_s
        fix = _FIXES["token_expired"]
        return StepFailedError(f"token_expired({ago:.0f}s ago)", refused.detail, fix)
    cause = reason or "token_refused"
    return StepFailedError(cause, refused.detail, _FIXES.get(cause, "see the server's log"))


def _offer_fault(refused: ErrorResponse, role: Role) -> StepFailedError:
    match refused.status:
        case 404:
            return StepFailedError(
                "not_found_404", "no such endpoint: the path is wrong", "check the path of the URL"
            )
        case 405:
            return StepFailedError(
                "method_405", "this URL does not allow POST", "is this the WHIP or WHEP endpoint?"
            )
        case 409:
            return _conflict(refused, role)
        case 503 | 429:
            cause = refused.reason or ("overloaded" if refused.status == 503 else "rate_limited")
            fix = (
                "the server is at its limit: wait, or add capacity"
                if refused.status == 503
                else "send fewer requests"
            )
            return StepFailedError(cause, refused.detail + _retry(refused), fix)
    cause = refused.reason or f"http_{refused.status}"
    return StepFailedError(cause, refused.detail + _retry(refused), "see the server's log")


def _conflict(refused: ErrorResponse, role: Role) -> StepFailedError:
    """Return the failure of a 409: no publisher for a subscriber, another one for a publisher."""
    if role == "subscriber":
        cause = refused.reason or "not_live"
        found = f"no publisher is live: {refused.detail}"
        return StepFailedError(cause, found + _retry(refused), "start a publisher first")
    return StepFailedError(
        refused.reason or "busy",
        f"another publisher is live: {refused.detail}{_retry(refused)}",
        "stop the other publisher, wait until its session ends, or publish under another name",
    )


def _retry(refused: ErrorResponse) -> str:
    return "" if refused.retry_after is None else f"; Retry-After: {refused.retry_after}"
