"""In by WHIP (RFC 9725) or WHEP: one POST with the offer, one DELETE."""

import asyncio

import httpx

from sfukit.probe.check.entry import Answer, Refused, accepted, refuse
from sfukit.probe.course import Course, StepFailedError
from sfukit.probe.finding import Stopwatch
from sfukit.signaling import problem
from sfukit.targets import asking
from sfukit.targets.asking import Reply

_SDP = {"Content-Type": "application/sdp", "Accept": "application/sdp"}
_GOODBYE_S = 2.0
_RETRY_S = 0.2
_WORDS = 120


class HttpEntry:
    """An endpoint; ``headers`` carry the token, and ``patience_s`` is for who is not live yet.

    ``limit_s`` is for each answer as a whole.
    """

    def __init__(
        self,
        client: httpx.AsyncClient,
        url: str,
        headers: dict[str, str],
        token: str | None,
        *,
        limit_s: float,
        patience_s: float,
    ) -> None:
        self._client = client
        self._url = url
        self._headers = headers
        self._token = token
        self._limit_s = limit_s
        self._patience_s = patience_s
        self._session: str | None = None

    async def exchange(self, course: Course, offer: str) -> Answer:
        """Take the step ``token``; return the answer."""
        watch = Stopwatch()
        try:
            reply = await self._post(offer)
            while reply.status == httpx.codes.CONFLICT and watch.ms < self._patience_s * 1e3:
                await asyncio.sleep(_RETRY_S)
                reply = await self._post(offer)
        except httpx.HTTPError as error:
            failed = _broken(error)
            course.failed("sdp", failed)
            raise failed from error
        if reply.status not in (httpx.codes.CREATED, httpx.codes.OK):
            raise refuse(course, _refused(reply), self._token)
        accepted(course, self._token)
        self._session = _session_of(course, reply)
        return Answer(reply.text, watch.ms)

    async def _post(self, offer: str) -> Reply:
        """Send the offer; redirects are followed (RFC 9725 section 4.5)."""
        return await asking.ask(
            self._client,
            "POST",
            self._url,
            limit_s=self._limit_s,
            headers={**self._headers, **_SDP},
            content=offer,
            follow=True,
        )

    async def leave(self) -> None:
        """End the session; a server that forgot it is none the worse."""
        if self._session is None:
            return
        try:
            await asking.ask(
                self._client,
                "DELETE",
                self._session,
                limit_s=_GOODBYE_S,
                headers=self._headers,
            )
        except httpx.HTTPError:
            return


def _session_of(course: Course, reply: Reply) -> str | None:
    """Read where the session is ended; None where the server names no place."""
    location = reply.headers.get("location")
    if location is None:
        return None
    try:
        return asking.join(reply.url, location)
    except ValueError as error:
        failed = StepFailedError(
            "answer_unusable",
            f"the Location of the session is no URL ({location!r}: {error})",
            "see the server's log",
        )
        course.failed("sdp", failed)
        raise failed from error


def _refused(reply: Reply) -> Refused:
    said = problem.read(reply.body)
    words = said.detail or f"HTTP {reply.status} {reply.phrase}".strip()
    return Refused(reply.status, said.reason, words[:_WORDS])


def _broken(error: httpx.HTTPError) -> StepFailedError:
    if isinstance(error, httpx.TimeoutException):
        return StepFailedError("no_answer", "no answer to the offer", "is the server overloaded?")
    what = str(error) or type(error).__name__
    return StepFailedError("http_broken", f"the POST broke off: {what}", "see the server's log")
