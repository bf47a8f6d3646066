"""WHIP and WHEP sessions: the resource that a POST creates, and what PATCH and DELETE do to it."""

import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable

import structlog

from sfukit.server import ids
from sfukit.signaling import sdpfrag, whip
from sfukit.signaling.refusal import Refusal
from sfukit.signaling.sdp import Session
from sfukit.signaling.transport import Credentials, LocalTransport, credentials, remote_of_offer

log = structlog.get_logger()
_ENDED_REMEMBERED = 1_000

Restart = Callable[[Credentials], Awaitable[LocalTransport]]
End = Callable[[str], None]


class HttpSession:
    """One publisher or viewer as a resource; the tag names the ICE session in force.

    A WHEP player may trickle without the tag, as one that is widely used does: its credentials name
    the ICE session as well. WHIP asks for the tag (RFC 9725 section 4.3.1).
    """

    def __init__(
        self, offer: Session, restart: Restart, end: End, *, needs_tag: bool = True
    ) -> None:
        self.number = ids.session_id()
        self.etag = _new_tag()
        tagged = next(media for media in offer.media if not media.rejected)
        mid = f"a=mid:{tagged.mid}\r\n" if tagged.mid else ""
        self._media = f"m={tagged.kind} 9 {tagged.protocol} {' '.join(tagged.formats)}\r\n{mid}"
        remote = remote_of_offer(offer)
        self._remote = Credentials(remote.ufrag, remote.pwd)
        self._needs_tag = needs_tag
        self._restart = restart
        self._end = end

    @property
    def path(self) -> str:
        """Where it is; the number cannot be guessed."""
        return f"/sessions/{self.number}"

    async def patch(self, if_match: str | None, text: str) -> str | None:
        """Take candidates (None), or restart ICE and return our fragment."""
        fragment = sdpfrag.parse(text)
        unchanged = (fragment.ufrag, fragment.pwd) == (self._remote.ufrag, self._remote.pwd)
        if if_match is None and unchanged and not self._needs_tag:
            return None
        if not whip.is_restart(if_match, self.etag):
            if fragment.ufrag not in (None, self._remote.ufrag):
                raise Refusal("etag_stale", "new credentials are a restart: If-Match: *")
            return None  # an ICE-lite server needs no candidates (RFC 8445 section 2.5)
        if unchanged or (fragment.ufrag == self._remote.ufrag and fragment.pwd is None):
            return None  # nothing to restart: candidates of a client that never sends the tag
        if not (fragment.ufrag and fragment.pwd):
            raise Refusal("restart_missing_credentials", "a restart needs ice-ufrag and ice-pwd")
        renewed = credentials(fragment.ufrag, fragment.pwd)
        local = await self._restart(renewed)
        self.etag = _new_tag()
        self._remote = renewed
        return sdpfrag.write_restart(local, self._media)

    def delete(self) -> None:
        """End."""
        self._end("left")


class HttpSessions:
    """All sessions by their secret number."""

    def __init__(self) -> None:
        self._sessions: dict[str, HttpSession] = {}
        self._ended: OrderedDict[str, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._sessions)

    def add(self, session: HttpSession) -> None:
        """Keep a session until it ends."""
        self._sessions[session.number] = session

    def find(self, number: str) -> HttpSession:
        """Find a session, or raise ``Refusal`` (session_unknown)."""
        session = self._sessions.get(number)
        if session is None:
            raise Refusal("session_unknown", "there is no such session; it may have ended")
        return session

    def delete(self, number: str) -> None:
        """End a session; one that just ended by itself, as its media did, is gone as asked."""
        if number not in self._ended:
            self.find(number).delete()

    def forget(self, session: HttpSession) -> None:
        """Drop a session that ended."""
        if self._sessions.pop(session.number, None) is not None:
            self._ended[session.number] = None
            if len(self._ended) > _ENDED_REMEMBERED:
                self._ended.popitem(last=False)


def _new_tag() -> str:
    return f'"{secrets.token_hex(8)}"'
