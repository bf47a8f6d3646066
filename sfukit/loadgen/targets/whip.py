"""WHIP endpoints for publishers (RFC 9725) and WHEP endpoints for viewers."""

import asyncio

import httpx

from sfukit.loadgen.targets import backoff
from sfukit.loadgen.targets.base import JoinRefusedError, Participant
from sfukit.signaling import problem, sdp
from sfukit.signaling.sdp import SdpError
from sfukit.targets import access, http_request, load_permission, sdp_answer
from sfukit.targets.access import Access
from sfukit.targets.http_request import Response
from sfukit.targets.redirect import RedirectError

_SDP = {"Content-Type": "application/sdp", "Accept": "application/sdp"}
_NOT_LIVE = 409
_RETRY_S = 0.2
# servers before RFC 9725 answer 200
_ACCEPTED = (httpx.codes.CREATED, httpx.codes.OK)
_DELETE_S = 2.0


class WhipTarget:
    """A WHIP URL, with or without a WHEP URL."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        url: str,
        play_url: str | None,
        how: Access,
        join_timeout_s: float,
    ) -> None:
        self.client = client
        self.url = url
        self.play_url = play_url
        self.how = how
        self.join_timeout_s = join_timeout_s

    def session(self, participant: Participant) -> "WhipSession | WhepSession":
        """Return the signaling of a publisher or of a viewer."""
        if participant.audio or participant.video:
            return WhipSession(self, participant, self.url)
        return WhepSession(self, participant, self.play_url or "")


class _HttpSession:
    """The requests common to WHIP and WHEP: one POST, one session URL, one DELETE."""

    _waits_for_publisher = False

    def __init__(self, target: WhipTarget, participant: Participant, url: str) -> None:
        self._target = target
        self._participant = participant
        self._session_url: str | None = None
        self._url = access.fill_in(url, participant.room, participant.number)
        self._credentials = access.credentials(
            target.how, self._url, participant.room, participant.name, participant.run_s
        )

    async def run(self) -> str:
        """Wait for ever: only the transports show the end of a WHIP or WHEP session."""
        await asyncio.Event().wait()
        return ""

    async def leave(self) -> None:
        """DELETE the session."""
        if self._session_url is None:
            return
        denied_reason = load_permission.denied_reason(
            self._url, self._session_url, self._participant.clients, self._target.how.allow_hosts
        )
        if denied_reason is not None:
            self._delete_failed(f"{self._session_url}: {denied_reason}")
            return
        try:
            await http_request.send(
                self._target.client,
                "DELETE",
                self._session_url,
                limit_s=_DELETE_S,
                credentials=self._credentials,
            )
        except httpx.HTTPError as error:
            self._delete_failed(_text(error))

    def _delete_failed(self, message: str) -> None:
        self._participant.fault("delete_failed", message)

    async def _offer(self, offer: str) -> str:
        """Send an offer, and retry it while it is rate limited; return the answer."""
        return await backoff.retry_rate_limited(self._participant, lambda: self._offer_once(offer))

    async def _offer_once(self, offer: str) -> str:
        loop = asyncio.get_running_loop()
        # the refusal says more than the timeout of the join
        deadline_s = loop.time() + self._target.join_timeout_s - 2 * _RETRY_S
        reply = await self._post(offer)
        while reply.status == _NOT_LIVE and self._waits_for_publisher and loop.time() < deadline_s:
            await asyncio.sleep(_RETRY_S)
            reply = await self._post(offer)
        if reply.status not in _ACCEPTED:
            raise _refused(reply)
        if (not_sdp := sdp_answer.fault(reply)) is not None:
            raise JoinRefusedError("answer_not_sdp", f"{not_sdp.message}; {not_sdp.fix}")
        location = reply.headers.get("location")
        if location is not None:
            self._session_url = _joined(reply, location)
        self._participant.accepted()
        return reply.text

    async def _post(self, offer: str) -> Response:
        """POST the offer once (RFC 9725 section 4.2), following redirects (section 4.5)."""
        try:
            return await http_request.send(
                self._target.client,
                "POST",
                self._url,
                limit_s=self._target.join_timeout_s,
                headers=_SDP,
                credentials=self._credentials,
                content=offer,
                follow=True,
                clients=self._participant.clients,
            )
        except RedirectError as error:
            raise JoinRefusedError(error.cause, f"{error}; {error.hint}") from error
        except httpx.HTTPError as error:
            raise JoinRefusedError("connect", _text(error)) from error


class WhipSession(_HttpSession):
    """The WHIP session of one publisher."""

    async def join(self) -> None:
        """Publish the tracks of the participant."""
        connection = self._participant.publisher()
        await connection.answered(await self._offer(await connection.offer()))


class WhepSession(_HttpSession):
    """The WHEP session of one viewer."""

    _waits_for_publisher = True

    async def join(self) -> None:
        """Play the tracks of the publisher, retrying while there is none (409)."""
        connection = self._participant.subscriber()
        answer = await self._offer(await connection.offer())
        publisher = next(iter(self._participant.subscriptions), "")
        await connection.answered(answer, dict.fromkeys(_mids(answer), publisher))


def _mids(answer: str) -> list[str]:
    try:
        return [section.mid for section in sdp.parse(answer).media]
    except SdpError as error:
        raise JoinRefusedError("answer_unusable", str(error)) from error


def _joined(reply: Response, location: str) -> str:
    try:
        return http_request.join(reply.url, location)
    except ValueError as error:
        message = f"the Location of the session is no URL ({location!r}: {error})"
        raise JoinRefusedError("answer_unusable", message) from error


def _refused(reply: Response) -> JoinRefusedError:
    """Return the refusal, with the problem document (RFC 9457) where there is one."""
    document = problem.read(reply.body)
    return backoff.refused_by_status(
        reply.status, document, reply.phrase, reply.headers.get("retry-after")
    )


def _text(error: httpx.HTTPError) -> str:
    return str(error) or type(error).__name__
