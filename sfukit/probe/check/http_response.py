"""The HTTP response to an offer: SDP, another body, or an error. Pure."""

from urllib.parse import urlsplit

import httpx
import msgspec

from sfukit.probe.check.signaling import ErrorResponse
from sfukit.probe.steps import StepFailedError
from sfukit.signaling import problem
from sfukit.signaling.whip import SDP_TYPE
from sfukit.targets import http_request, sdp_answer
from sfukit.targets.http_request import Response
from sfukit.targets.origin import Credentials
from sfukit.targets.redirect import RedirectError

_WORDS = 120
_ACCEPTED = (httpx.codes.CREATED, httpx.codes.OK)


def is_accepted(reply: Response) -> bool:
    """Return whether an offer was accepted; servers before RFC 9725 answer 200."""
    return reply.status in _ACCEPTED


def require_sdp(reply: Response) -> None:
    """Raise where the body is no SDP, by its Content-Type and its first bytes."""
    found = sdp_answer.fault(reply)
    if found is not None:
        raise StepFailedError("answer_not_sdp", found.message, found.fix)


def session_of(reply: Response) -> str | None:
    """Return the session URL (Location), or None. Raises ``StepFailedError``."""
    location = reply.headers.get("location")
    if location is None:
        return None
    try:
        return http_request.join(reply.url, location)
    except ValueError as error:
        raise StepFailedError(
            "answer_unusable",
            f"the Location of the session is no URL ({location!r}: {error})",
            "see the server's log",
        ) from error


def notes(reply: Response, session: str | None, credentials: Credentials) -> list[str]:
    """List the deviations of an accepted answer from RFC 9725 section 4.2."""
    found = []
    if reply.status != httpx.codes.CREATED:
        found.append(f"answered with {reply.status} instead of 201")
    if reply.media_type != SDP_TYPE:
        found.append(f"an SDP with {reply.media_type or 'no'} Content-Type instead of {SDP_TYPE}")
    if reply.url != credentials.home:
        found.append(f"redirected to {reply.url}")
    if session is None:
        found.append("no Location: the session ends only by the server's timeout")
    elif credentials.headers and credentials.denied_reason(session) is not None:
        parts = urlsplit(session)
        found.append(
            f"the session is at another origin ({parts.scheme}://{parts.netloc}): DELETE was sent "
            f"without the token (--allow-host {parts.hostname} sends it there)"
        )
    return found


def refused(reply: Response) -> ErrorResponse:
    """Read an error response: a problem document, else text or other JSON."""
    said = problem.read(reply.body)
    status = f"HTTP {reply.status} {reply.phrase}".strip()
    words = said.detail or ": ".join(filter(None, (status, _words(reply))))
    retry = reply.headers.get("retry-after")
    return ErrorResponse(reply.status, said.reason, words[: 2 * _WORDS], _after(retry))


def broken(error: httpx.HTTPError) -> StepFailedError:
    """Return the failure of a POST without a response."""
    if isinstance(error, RedirectError):
        return StepFailedError(error.cause, str(error), error.hint)
    if isinstance(error, httpx.TimeoutException):
        return StepFailedError("no_answer", "no answer to the offer", "is the server overloaded?")
    what = str(error) or type(error).__name__
    return StepFailedError("http_broken", f"the POST failed: {what}", "see the server's log")


class _Other(msgspec.Struct):
    """The text of JSON errors other than problem documents."""

    error: str | msgspec.UnsetType = msgspec.UNSET
    message: str | msgspec.UnsetType = msgspec.UNSET
    title: str | msgspec.UnsetType = msgspec.UNSET


def _words(reply: Response) -> str:
    if reply.media_type == "text/plain":
        return " ".join(reply.text.split())[:_WORDS]
    try:
        other = msgspec.json.decode(reply.body, type=_Other)
    except msgspec.DecodeError:
        return "" if reply.media_type in ("", SDP_TYPE) else f"({reply.media_type})"
    return next((one for one in (other.error, other.message, other.title) if one), "")[:_WORDS]


def _after(retry: str | None) -> str | None:
    """Read Retry-After: seconds, or a date (RFC 9110 section 10.2.3)."""
    if retry is None:
        return None
    return f"{retry} s" if retry.isascii() and retry.isdigit() and len(retry) < 8 else retry[:40]
