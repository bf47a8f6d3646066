"""What an answer to an offer says over HTTP: an SDP, something else, or a refusal. Pure."""

from urllib.parse import urlsplit

import httpx
import msgspec

from sfukit.probe.check.entry import Refused
from sfukit.probe.course import StepFailedError
from sfukit.signaling import problem
from sfukit.signaling.whip import SDP_TYPE
from sfukit.targets import asking
from sfukit.targets.asking import Reply
from sfukit.targets.origin import Credentials
from sfukit.targets.redirect import RedirectError

_WORDS = 120
_TAKEN = (httpx.codes.CREATED, httpx.codes.OK)


def is_taken(reply: Reply) -> bool:
    """Tell whether an offer was taken; 200 is what servers say that do not know RFC 9725."""
    return reply.status in _TAKEN


def require_sdp(reply: Reply) -> None:
    """Raise where what was answered is no SDP, by its type and its first bytes."""
    if reply.text.lstrip().startswith("v="):
        return
    kind = reply.media_type or "no Content-Type"
    if kind == SDP_TYPE:
        return  # malformed: the reader of SDP says where
    shown = " ".join(reply.text.split())[:_WORDS]
    raise StepFailedError(
        "answer_not_sdp",
        f"HTTP {reply.status} with {kind} instead of {SDP_TYPE}: {shown or 'an empty body'}",
        _FIXES.get(kind, f"is this the WHIP or WHEP endpoint? its answer has to be {SDP_TYPE}"),
    )


def session_of(reply: Reply) -> str | None:
    """Read where the session is ended; None where that is not told. Raises ``StepFailedError``."""
    location = reply.headers.get("location")
    if location is None:
        return None
    try:
        return asking.join(reply.url, location)
    except ValueError as error:
        raise StepFailedError(
            "answer_unusable",
            f"the Location of the session is no URL ({location!r}: {error})",
            "see the server's log",
        ) from error


def notes(reply: Reply, session: str | None, credentials: Credentials) -> list[str]:
    """List what an answer that was taken has not as RFC 9725 section 4.2 wants it."""
    found = []
    if reply.status != httpx.codes.CREATED:
        found.append(f"answered with {reply.status} instead of 201")
    if reply.media_type != SDP_TYPE:
        found.append(f"an SDP with {reply.media_type or 'no'} Content-Type instead of {SDP_TYPE}")
    if reply.url != credentials.home:
        found.append(f"redirected to {reply.url}")
    if session is None:
        found.append("no Location: the session ends only when the server misses the client")
    elif credentials.headers and credentials.objection(session) is not None:
        parts = urlsplit(session)
        found.append(
            f"the session is at another origin ({parts.scheme}://{parts.netloc}): it was ended "
            f"without the token (--allow-host {parts.hostname} would send it there)"
        )
    return found


def refused(reply: Reply) -> Refused:
    """Read a refusal: the words of a problem document, else of a text or of other JSON."""
    said = problem.read(reply.body)
    status = f"HTTP {reply.status} {reply.phrase}".strip()
    words = said.detail or ": ".join(filter(None, (status, _words(reply))))
    retry = reply.headers.get("retry-after")
    return Refused(reply.status, said.reason, words[: 2 * _WORDS], _after(retry))


def broken(error: httpx.HTTPError) -> StepFailedError:
    """Say why there is no answer to an offer."""
    if isinstance(error, RedirectError):
        return StepFailedError(error.cause, str(error), error.hint)
    if isinstance(error, httpx.TimeoutException):
        return StepFailedError("no_answer", "no answer to the offer", "is the server overloaded?")
    what = str(error) or type(error).__name__
    return StepFailedError("http_broken", f"the POST broke off: {what}", "see the server's log")


_FIXES = {
    "text/html": "a page for people: is the path that of the WHIP or WHEP endpoint? "
    "does a login page or a proxy answer in its place?",
    "application/json": "another API answers there: WHIP and WHEP answer application/sdp",
}


class _Other(msgspec.Struct):
    """Where servers that know no problem documents put their words."""

    error: str | msgspec.UnsetType = msgspec.UNSET
    message: str | msgspec.UnsetType = msgspec.UNSET
    title: str | msgspec.UnsetType = msgspec.UNSET


def _words(reply: Reply) -> str:
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
