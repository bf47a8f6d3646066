"""In by WHIP (RFC 9725) or WHEP: one POST with the offer, one DELETE."""

import asyncio

import httpx

from sfukit.probe.check import http_answer
from sfukit.probe.check.entry import Answer, Role, accepted, refuse, token_in
from sfukit.probe.course import Course, StepFailedError
from sfukit.probe.finding import Stopwatch
from sfukit.targets import asking
from sfukit.targets.asking import Reply
from sfukit.targets.origin import Credentials

_SDP = {"Content-Type": "application/sdp", "Accept": "application/sdp"}
_GOODBYE_S = 2.0
_RETRY_S = 0.2


class HttpEntry:
    """An endpoint; ``patience_s`` is for a publisher that is not live yet.

    ``limit_s`` is for each answer as a whole. ``credentials`` go where they may.
    """

    def __init__(
        self,
        client: httpx.AsyncClient,
        url: str,
        credentials: Credentials,
        *,
        role: Role,
        limit_s: float,
        patience_s: float = 0.0,
    ) -> None:
        self._client = client
        self._url = url
        self._credentials = credentials
        self._token = token_in(credentials.headers)
        self._role = role
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
            failed = http_answer.broken(error)
            course.failed("sdp", failed)
            raise failed from error
        if not http_answer.is_taken(reply):
            raise refuse(course, http_answer.refused(reply), self._token, role=self._role)
        return self._taken(course, reply, watch.ms)

    def _taken(self, course: Course, reply: Reply, ms: float) -> Answer:
        try:
            http_answer.require_sdp(reply)
            accepted(course, self._token)
            self._session = http_answer.session_of(reply)
        except StepFailedError as failed:
            course.failed("sdp", failed)
            raise
        return Answer(reply.text, ms, http_answer.notes(reply, self._session, self._credentials))

    async def _post(self, offer: str) -> Reply:
        """Send the offer; redirects are followed (RFC 9725 section 4.5)."""
        return await asking.ask(
            self._client,
            "POST",
            self._url,
            limit_s=self._limit_s,
            headers=_SDP,
            credentials=self._credentials,
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
                credentials=self._credentials,
                follow=True,
            )
        except httpx.HTTPError:
            return
