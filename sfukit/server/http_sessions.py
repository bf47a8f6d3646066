"""WHIP and WHEP sessions: the resources that POST creates, PATCH restarts and DELETE ends."""

import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable

import structlog

from sfukit.server import ids
from sfukit.server.publish_connection import parse_description
from sfukit.server.whep_viewer import WhepViewer
from sfukit.signaling import sdpfrag, whip
from sfukit.signaling.refusal import Refusal
from sfukit.signaling.sdp import Session
from sfukit.signaling.transport import Credentials, LocalTransport, credentials, remote_of_offer

log = structlog.get_logger()
_MAX_ENDED = 1_000  # ended sessions whose DELETE succeeds

Restart = Callable[[Credentials], Awaitable[LocalTransport]]
End = Callable[[str], None]


class HttpSession:
    """The resource of one WHIP publisher or WHEP viewer; the ETag identifies the ICE session.

    A WHEP PATCH with candidates needs no ``If-Match``, since a widely used player sends none: its
    ICE credentials identify the ICE session as well. WHIP requires it (RFC 9725 section 4.3.1).
    """

    def __init__(
        self,
        described: Session | None,
        restart: Restart,
        end: End,
        *,
        needs_tag: bool = True,
        viewer: WhepViewer | None = None,
    ) -> None:
        self.session_id = ids.session_id()
        self.etag = _new_tag()
        self._media = ""
        self._remote = Credentials("", "")
        if described is not None:
            self._describe(described)
        self._needs_tag = needs_tag
        self.viewer = viewer
        self._restart = restart
        self._end = end

    @property
    def path(self) -> str:
        """The path of the resource, with an unguessable id."""
        return f"/sessions/{self.session_id}"

    async def answer(self, text: str) -> None:
        """Complete a session that began with an offer of the server (WHEP); raise ``Refusal``."""
        if self.viewer is None or not self.viewer.awaits_answer:
            raise Refusal(
                "answer_unexpected",
                f"no offer of the server is to be answered: candidates are {sdpfrag.CONTENT_TYPE}",
            )
        answer = parse_description(text)
        await self.viewer.answer(answer)
        self._describe(answer)

    async def patch(self, if_match: str | None, text: str) -> str | None:
        """Accept candidates and return None, or restart ICE and return the local SDP fragment."""
        fragment = sdpfrag.parse(text)
        if self.viewer is not None and self.viewer.awaits_answer:
            return None  # candidates of an answer that is on its way
        unchanged = (fragment.ufrag, fragment.pwd) == (self._remote.ufrag, self._remote.pwd)
        if if_match is None and unchanged and not self._needs_tag:
            return None
        if not whip.is_restart(if_match, self.etag):
            if fragment.ufrag not in (None, self._remote.ufrag):
                raise Refusal(
                    "etag_stale", "new ICE credentials are an ICE restart, which needs If-Match: *"
                )
            return None  # remote candidates are not needed by ICE lite (RFC 8445 section 2.5)
        if unchanged or (fragment.ufrag == self._remote.ufrag and fragment.pwd is None):
            return None  # candidates of a client that always sends If-Match: *
        if not (fragment.ufrag and fragment.pwd):
            raise Refusal(
                "restart_missing_credentials", "an ICE restart needs ice-ufrag and ice-pwd"
            )
        renewed = credentials(fragment.ufrag, fragment.pwd)
        local = await self._restart(renewed)
        self.etag = _new_tag()
        self._remote = renewed
        return sdpfrag.write_restart(local, self._media)

    def _describe(self, session: Session) -> None:
        """Keep the client's ICE credentials and its m-line of candidates."""
        tagged = next(media for media in session.media if not media.rejected)
        mid = f"a=mid:{tagged.mid}\r\n" if tagged.mid else ""
        self._media = f"m={tagged.kind} 9 {tagged.protocol} {' '.join(tagged.formats)}\r\n{mid}"
        remote = remote_of_offer(session)
        self._remote = Credentials(remote.ufrag, remote.pwd)

    def delete(self) -> None:
        """End the session."""
        self._end("left")


class HttpSessions:
    """All sessions by their secret id."""

    def __init__(self) -> None:
        self._sessions: dict[str, HttpSession] = {}
        self._ended: OrderedDict[str, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._sessions)

    def add(self, session: HttpSession) -> None:
        """Add a session."""
        self._sessions[session.session_id] = session

    def find(self, session_id: str) -> HttpSession:
        """Return a session; raise ``Refusal`` (session_unknown)."""
        session = self._sessions.get(session_id)
        if session is None:
            raise Refusal("session_unknown", "no such session; it may have ended")
        return session

    def delete(self, session_id: str) -> None:
        """End a session; a recently ended one, whose transport closed first, is no error."""
        if session_id not in self._ended:
            self.find(session_id).delete()

    def remove(self, session: HttpSession) -> None:
        """Remove a session that ended."""
        if self._sessions.pop(session.session_id, None) is not None:
            self._ended[session.session_id] = None
            if len(self._ended) > _MAX_ENDED:
                self._ended.popitem(last=False)


def _new_tag() -> str:
    return f'"{secrets.token_hex(8)}"'
