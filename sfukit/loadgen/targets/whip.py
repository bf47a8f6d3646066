"""Any WHIP endpoint to publish to (RFC 9725), and WHEP to play from: plain HTTP per bot."""

import asyncio

import httpx

from sfukit.loadgen.scenario import Bot
from sfukit.loadgen.seat import Incoming, Seat
from sfukit.loadgen.targets.base import JoinRefusedError
from sfukit.signaling import descriptions
from sfukit.signaling.descriptions import Described
from sfukit.signaling.sdp import SdpError
from sfukit.targets import access, asking
from sfukit.targets.access import Access

_SDP = {"Content-Type": "application/sdp", "Accept": "application/sdp"}
_NOT_LIVE = 409
_RETRY_S = 0.2
_GOODBYE_S = 2.0


class WhipTarget:
    """A WHIP URL, and a WHEP URL or none."""

    def __init__(
        self, client: httpx.AsyncClient, url: str, play_url: str | None, how: Access
    ) -> None:
        self.client = client
        self.url = url
        self.play_url = play_url
        self.how = how

    def session(self, seat: Seat) -> "WhipSession | WhepSession":
        """Prepare a publisher or a player."""
        if seat.bot.sends:
            return WhipSession(self, seat)
        return WhepSession(self, seat)


class _HttpSession:
    """What publishing and playing have in common: one POST, one session URL, one DELETE."""

    def __init__(self, target: WhipTarget, seat: Seat) -> None:
        self._target = target
        self._seat = seat
        self._session_url: str | None = None
        room, bot = seat.room, seat.bot
        self._headers = access.headers(target.how, room.name, bot.name, seat.plan.total_s)

    async def stay(self) -> str:
        """HTTP tells nothing more: the transports show when the target is gone."""
        await asyncio.Event().wait()
        return ""

    async def leave(self) -> None:
        """End the session."""
        if self._session_url is None:
            return
        try:
            await self._target.client.delete(
                self._session_url, headers=self._headers, timeout=_GOODBYE_S
            )
        except httpx.HTTPError as error:
            self._seat.ledger.fault("delete_failed", _text(error), self._seat.bot)

    async def _post(self, url: str, offer: str) -> httpx.Response:
        """Send an offer (RFC 9725 section 4.2; redirects are followed, section 4.5)."""
        filled = access.fill_in(url, self._seat.room.name, self._seat.bot.index + 1)
        try:
            return await self._target.client.post(
                filled, content=offer, headers={**self._headers, **_SDP}, follow_redirects=True
            )
        except httpx.HTTPError as error:
            raise JoinRefusedError("connect", _text(error)) from error

    def _answered(self, response: httpx.Response) -> Described:
        if response.status_code != httpx.codes.CREATED:
            raise _refused(response)
        location = response.headers.get("location")
        if location is not None:
            self._session_url = _joined(response, location)
        self._seat.accepted()
        try:
            return descriptions.read_answer(response.text)
        except SdpError as error:
            raise JoinRefusedError("answer_unusable", str(error)) from error


class WhipSession(_HttpSession):
    """One publisher."""

    async def join(self) -> None:
        """Offer what the bot publishes."""
        offered = self._seat.offer()
        response = await self._post(self._target.url, descriptions.publish_offer(offered))
        self._seat.publish(offered, self._answered(response))


class WhepSession(_HttpSession):
    """One player."""

    async def join(self) -> None:
        """Offer to play; wait while nobody is live yet."""
        seat, url = self._seat, self._target.play_url or ""
        credentials = descriptions.new_credentials()
        publishers = [view.publisher for view in seat.plan.views(seat.bot)]
        offer = descriptions.play_offer(
            credentials,
            seat.swarm.info.fingerprint,
            audio=any(bot.audio for bot in publishers),
            video=any(bot.video for bot in publishers),
        )
        response = await self._post(url, offer)
        while response.status_code == _NOT_LIVE:
            await asyncio.sleep(_RETRY_S)
            response = await self._post(url, offer)
        answer = self._answered(response)
        seat.play(
            credentials, answer.peer, [Incoming(line, _first(publishers)) for line in answer.lines]
        )


def _joined(response: httpx.Response, location: str) -> str:
    try:
        return asking.join(str(response.url), location)
    except ValueError as error:
        message = f"the Location of the session is no URL ({location!r}: {error})"
        raise JoinRefusedError("answer_unusable", message) from error


def _first(publishers: list[Bot]) -> Bot | None:
    return publishers[0] if publishers else None


def _refused(response: httpx.Response) -> JoinRefusedError:
    """Read why, from a problem document (RFC 9457) where there is one."""
    code, message = f"http_{response.status_code}", response.reason_phrase
    if "json" in response.headers.get("content-type", ""):
        try:
            problem = response.json()
        except ValueError:
            problem = {}
        if isinstance(problem, dict):
            code = str(problem.get("reason") or code)
            message = str(problem.get("detail") or message)
    return JoinRefusedError(code, message)


def _text(error: httpx.HTTPError) -> str:
    return str(error) or type(error).__name__
