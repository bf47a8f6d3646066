"""Signaling by WHIP (RFC 9725) or WHEP: one POST with the offer, one DELETE."""

import asyncio

import httpx

from sfukit.probe.check import http_response
from sfukit.probe.check.signaling import Answer, Role, accepted, refuse, token_in
from sfukit.probe.finding import Stopwatch
from sfukit.probe.steps import StepFailedError, StepRecorder
from sfukit.targets import http_request
from sfukit.targets.http_request import Response
from sfukit.targets.origin import Credentials

_SDP = {"Content-Type": "application/sdp", "Accept": "application/sdp"}
_DELETE_S = 2.0
_RETRY_S = 0.2


class HttpSignalingClient:
    """A client of one endpoint; ``retry_s``: how long a 409 (not live yet) is retried.

    ``limit_s`` is the timeout of each response. ``credentials`` are sent to allowed origins only.
    """

    def __init__(
        self,
        client: httpx.AsyncClient,
        url: str,
        credentials: Credentials,
        *,
        role: Role,
        limit_s: float,
        retry_s: float = 0.0,
        clients: int = 1,
    ) -> None:
        self._client = client
        self._url = url
        self._credentials = credentials
        self._token = token_in(credentials.headers)
        self._role = role
        self._limit_s = limit_s
        self._retry_s = retry_s
        self._clients = clients
        self._session: str | None = None

    async def exchange(self, recorder: StepRecorder, offer: str) -> Answer:
        """Run the step ``token``; return the answer."""
        watch = Stopwatch()
        try:
            reply = await self._post(offer)
            while reply.status == httpx.codes.CONFLICT and watch.ms < self._retry_s * 1e3:
                await asyncio.sleep(_RETRY_S)
                reply = await self._post(offer)
        except httpx.HTTPError as error:
            failed = http_response.broken(error)
            recorder.failed("sdp", failed)
            raise failed from error
        if not http_response.is_accepted(reply):
            raise refuse(recorder, http_response.refused(reply), self._token, role=self._role)
        return self._accepted(recorder, reply, watch.ms)

    def _accepted(self, recorder: StepRecorder, reply: Response, ms: float) -> Answer:
        try:
            http_response.require_sdp(reply)
            accepted(recorder, self._token)
            self._session = http_response.session_of(reply)
        except StepFailedError as failed:
            recorder.failed("sdp", failed)
            raise
        return Answer(reply.text, ms, http_response.notes(reply, self._session, self._credentials))

    async def _post(self, offer: str) -> Response:
        """Send the offer; redirects are followed (RFC 9725 section 4.5)."""
        return await http_request.send(
            self._client,
            "POST",
            self._url,
            limit_s=self._limit_s,
            headers=_SDP,
            credentials=self._credentials,
            content=offer,
            follow=True,
            clients=self._clients,
        )

    async def leave(self) -> None:
        """Delete the session; errors are ignored."""
        if self._session is None:
            return
        try:
            await http_request.send(
                self._client,
                "DELETE",
                self._session,
                limit_s=_DELETE_S,
                credentials=self._credentials,
                follow=True,
            )
        except httpx.HTTPError:
            return
