"""Any WHIP endpoint to publish to (RFC 9725), and WHEP to play from: plain HTTP per bot."""

import asyncio

import httpx

from sfukit.loadgen.scenario import Bot
from sfukit.loadgen.seat import Incoming, Seat
from sfukit.loadgen.targets import patience
from sfukit.loadgen.targets.base import JoinRefusedError
from sfukit.signaling import descriptions, problem
from sfukit.signaling.descriptions import RemoteDescription
from sfukit.signaling.sdp import SdpError
from sfukit.targets import access, http_request, load_permission
from sfukit.targets.access import Access
from sfukit.targets.http_request import Response
from sfukit.targets.redirect import RedirectError

_SDP = {"Content-Type": "application/sdp", "Accept": "application/sdp"}
_NOT_LIVE = 409
_RETRY_S = 0.2
_GOODBYE_S = 2.0


class WhipTarget:
    """A WHIP URL, and a WHEP URL or none."""

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

    def session(self, seat: Seat) -> "WhipSession | WhepSession":
        """Prepare a publisher or a player."""
        if seat.bot.sends:
            return WhipSession(self, seat, self.url)
        return WhepSession(self, seat, self.play_url or "")


class _HttpSession:
    """What publishing and playing have in common: one POST, one session URL, one DELETE."""

    def __init__(self, target: WhipTarget, seat: Seat, url: str) -> None:
        self._target = target
        self._seat = seat
        self._session_url: str | None = None
        self._clients = len(seat.plan.bots)
        room, bot = seat.room, seat.bot
        self._url = access.fill_in(url, room.name, bot.index + 1)
        self._credentials = access.credentials(
            target.how, self._url, room.name, bot.name, seat.plan.total_s
        )

    async def stay(self) -> str:
        """HTTP tells nothing more: the transports show when the target is gone."""
        await asyncio.Event().wait()
        return ""

    async def leave(self) -> None:
        """End the session."""
        if self._session_url is None:
            return
        why = load_permission.denied_reason(
            self._url, self._session_url, self._clients, self._target.how.allow_hosts
        )
        if why is not None:
            self._seat.ledger.fault("delete_failed", f"{self._session_url}: {why}", self._seat.bot)
            return
        try:
            await http_request.send(
                self._target.client,
                "DELETE",
                self._session_url,
                limit_s=_GOODBYE_S,
                credentials=self._credentials,
            )
        except httpx.HTTPError as error:
            self._seat.ledger.fault("delete_failed", _text(error), self._seat.bot)

    async def _offer(self, offer: str) -> RemoteDescription:
        """Send an offer until it is answered or refused for good."""
        return await patience.politely(self._seat, lambda: self._offer_once(offer))

    async def _offer_once(self, offer: str) -> RemoteDescription:
        reply = await self._post(offer)
        while reply.status == _NOT_LIVE and not self._seat.bot.sends:
            await asyncio.sleep(_RETRY_S)
            reply = await self._post(offer)
        if reply.status != httpx.codes.CREATED:
            raise _refused(reply)
        location = reply.headers.get("location")
        if location is not None:
            self._session_url = _joined(reply, location)
        self._seat.accepted()
        try:
            return descriptions.read_answer(reply.text)
        except SdpError as error:
            raise JoinRefusedError("answer_unusable", str(error)) from error

    async def _post(self, offer: str) -> Response:
        """Ask once (RFC 9725 section 4.2; redirects are followed, section 4.5)."""
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
                clients=self._clients,
            )
        except RedirectError as error:
            raise JoinRefusedError(error.cause, f"{error}; {error.hint}") from error
        except httpx.HTTPError as error:
            raise JoinRefusedError("connect", _text(error)) from error


class WhipSession(_HttpSession):
    """One publisher."""

    async def join(self) -> None:
        """Offer what the bot publishes."""
        offered = self._seat.offer()
        answer = await self._offer(descriptions.publish_offer(offered))
        self._seat.publish(offered, answer)


class WhepSession(_HttpSession):
    """One player."""

    async def join(self) -> None:
        """Offer to play; wait while nobody is live yet."""
        seat = self._seat
        credentials = descriptions.new_credentials()
        publishers = [view.publisher for view in seat.plan.views(seat.bot)]
        offer = descriptions.play_offer(
            credentials,
            seat.swarm.info.fingerprint,
            audio=any(bot.audio for bot in publishers),
            video=any(bot.video for bot in publishers),
        )
        answer = await self._offer(offer)
        seat.play(
            credentials, answer.peer, [Incoming(line, _first(publishers)) for line in answer.lines]
        )


def _joined(reply: Response, location: str) -> str:
    try:
        return http_request.join(reply.url, location)
    except ValueError as error:
        message = f"the Location of the session is no URL ({location!r}: {error})"
        raise JoinRefusedError("answer_unusable", message) from error


def _first(publishers: list[Bot]) -> Bot | None:
    return publishers[0] if publishers else None


def _refused(reply: Response) -> JoinRefusedError:
    """Read why, from a problem document (RFC 9457) where there is one."""
    told = problem.read(reply.body)
    return patience.refused_by_status(
        reply.status, told, reply.phrase, reply.headers.get("retry-after")
    )


def _text(error: httpx.HTTPError) -> str:
    return str(error) or type(error).__name__
