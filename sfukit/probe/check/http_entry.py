"""In by WHIP (RFC 9725) or WHEP: one POST with the offer, one DELETE."""

import asyncio
from urllib.parse import urljoin

import httpx

from sfukit.probe.check.entry import Answer, Refused, accepted, refuse
from sfukit.probe.course import Course, StepFailedError
from sfukit.probe.finding import Stopwatch
from sfukit.signaling import problem

_SDP = {"Content-Type": "application/sdp", "Accept": "application/sdp"}
_GOODBYE_S = 2.0
_RETRY_S = 0.2
_WORDS = 120


class HttpEntry:
    """An endpoint; ``headers`` carry the token, and ``patience_s`` is for who is not live yet."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        url: str,
        headers: dict[str, str],
        token: str | None,
        *,
        patience_s: float,
    ) -> None:
        self._client = client
        self._url = url
        self._headers = headers
        self._token = token
        self._patience_s = patience_s
        self._session: str | None = None

    async def exchange(self, course: Course, offer: str) -> Answer:
        """Take the step ``token``; return the answer."""
        watch = Stopwatch()
        try:
            response = await self._post(offer)
            while (
                response.status_code == httpx.codes.CONFLICT and watch.ms < self._patience_s * 1e3
            ):
                await asyncio.sleep(_RETRY_S)
                response = await self._post(offer)
        except httpx.HTTPError as error:
            failed = _broken(error)
            course.failed("sdp", failed)
            raise failed from error
        if response.status_code not in (httpx.codes.CREATED, httpx.codes.OK):
            raise refuse(course, _refused(response), self._token)
        accepted(course, self._token)
        location = response.headers.get("location")
        if location is not None:
            self._session = urljoin(str(response.url), location)
        return Answer(response.text, watch.ms)

    async def _post(self, offer: str) -> httpx.Response:
        return await self._client.post(
            self._url, content=offer, headers={**self._headers, **_SDP}, follow_redirects=True
        )

    async def leave(self) -> None:
        """End the session; a server that forgot it is none the worse."""
        if self._session is None:
            return
        try:
            await self._client.delete(self._session, headers=self._headers, timeout=_GOODBYE_S)
        except httpx.HTTPError:
            return


def _refused(response: httpx.Response) -> Refused:
    said = problem.read(response.content)
    words = said.detail or f"HTTP {response.status_code} {response.reason_phrase}".strip()
    return Refused(response.status_code, said.reason, words[:_WORDS])


def _broken(error: httpx.HTTPError) -> StepFailedError:
    if isinstance(error, httpx.TimeoutException):
        return StepFailedError("no_answer", "no answer to the offer", "is the server overloaded?")
    what = str(error) or type(error).__name__
    return StepFailedError("http_broken", f"the POST broke off: {what}", "see the server's log")
