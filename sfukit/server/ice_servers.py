"""The ICE servers of clients: TURN credentials by the REST scheme, limited in time.

Credentials are made for one client each: user name ``expiry:id``, password
base64(HMAC-SHA1(secret, user name)), as coturn's ``use-auth-secret`` checks them
(draft-uberti-behave-turn-rest section 2.2). The id does not identify the user, and is the same
for each connection of one identity, so that quotas by user bind it.
"""

import hashlib
import hmac
import random
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import structlog

from sfukit.config import secret as read_secret
from sfukit.errors import UsageError
from sfukit.server.access import Rights
from sfukit.server.settings import IceServer, Settings
from sfukit.signaling.room_messages import IceServerInfo
from sfukit.turn import credentials, regions, server

log = structlog.get_logger()

_SESSION_S = 24 * 3600  # WHIP and WHEP get no other credentials later
_RENEWED_FROM, _RENEWED_TO = 0.6, 0.75  # shares of the validity; clients are spread over it
_ID_DIGITS = 24
_SECRET_BYTES = 16  # fewer are found by trial from one credential
_PURPOSE = b"sfukit: id of a TURN user\n"


class _Timer(Protocol):
    def cancel(self) -> object: ...


class _Loop(Protocol):
    def call_later(self, delay: float, callback: Callable[[], object], /) -> _Timer: ...


class _Secret:
    """The secret shared with the TURN servers; a file is read again once it has changed."""

    def __init__(self, given: str) -> None:
        if not given:
            raise UsageError(
                "--turn: the secret that the TURN server shares is missing",
                hint="--turn-secret @FILE, with the static-auth-secret of coturn in FILE",
            )
        self._given = given
        self._version = self._file_version()
        self._text = read_secret(given, "--turn-secret")
        self._warn_if_short()

    def current(self) -> str:
        """Return the secret; an unreadable file leaves the one before in force."""
        version = self._file_version()
        if version != self._version:
            self._version = version
            try:
                self._text = read_secret(self._given, "--turn-secret")
            except UsageError as error:
                log.warning("turn_secret_kept", detail=error.what)
            else:
                log.info("turn_secret_changed")
                self._warn_if_short()
        return self._text

    def _file_version(self) -> tuple[int, int] | None:
        if not self._given.startswith("@"):
            return None
        try:
            found = Path(self._given[1:]).stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_ino

    def _warn_if_short(self) -> None:
        length = len(self._text.encode())
        if length < _SECRET_BYTES:
            log.warning("turn_secret_short", bytes=length, advised=_SECRET_BYTES)


class IceServers:
    """The ICE servers of the settings, in the order for each client."""

    def __init__(self, settings: Settings) -> None:
        """Read secret and table of regions; raise ``UsageError``."""
        turn = settings.turn
        self._static = tuple(_info(entry) for entry in settings.ice_servers)
        self._turn = tuple(dict.fromkeys(server.parse(text, "--turn") for text in turn.servers))
        self._secret = _Secret(turn.secret) if self._turn else None
        self._regions = _table(turn.regions, {entry.region for entry in self._turn})
        self._ttl_s = turn.ttl_s
        self._end_at_exp = settings.end_at_exp

    @property
    def public(self) -> list[IceServerInfo]:
        """The servers without credentials."""
        return [entry for entry in self._static if entry.credential is None]

    def for_session(self, rights: Rights, address: str) -> list[IceServerInfo]:
        """Return the servers of a WHIP or WHEP session: until its token ends, at most for 24 h."""
        now_s = int(time.time())
        expiry_s = now_s + _SESSION_S
        if rights.expires_s is not None:
            expiry_s = min(expiry_s, rights.expires_s)
        return self.listed(self.user(rights), address, expiry_s)

    def member_expiry_s(self, rights: Rights) -> tuple[int, bool]:
        """Return when credentials of a member expire, and whether others follow them."""
        expiry_s = int(time.time()) + self._ttl_s
        if self._end_at_exp and rights.expires_s is not None and rights.expires_s <= expiry_s:
            return rights.expires_s, False
        return expiry_s, bool(self._turn)

    def user(self, rights: Rights) -> str:
        """Return the id of a client for the TURN server's log and quotas."""
        if self._secret is None:
            return ""
        if rights.subject:
            key = self._secret.current().encode()
            text = _PURPOSE + rights.subject.encode()
            user = hmac.new(key, text, hashlib.sha256).hexdigest()[:_ID_DIGITS]
        else:
            user = secrets.token_hex(_ID_DIGITS // 2)
        log.debug("turn_user", id=user, participant=rights.identity)
        return user

    def listed(self, user: str, address: str, expiry_s: int) -> list[IceServerInfo]:
        """Return all servers: the client's region first, then those of no region, then others."""
        if self._secret is None:
            return list(self._static)
        made = credentials.from_secret(self._secret.current(), user, expiry_s)
        region = self._regions.region_of(address)
        order: dict[str | None, int] = {None: 1, region: 0}
        ordered = sorted(self._turn, key=lambda entry: order.get(entry.region, 2))
        return [
            *self._static,
            *(IceServerInfo(str(entry.uri), made.username, made.password) for entry in ordered),
        ]


class MemberIceServers:
    """The ICE servers of a member of a room; new ones are passed on before they expire."""

    def __init__(
        self,
        servers: IceServers,
        rights: Rights,
        address: str,
        loop: _Loop,
        renew: Callable[[list[IceServerInfo]], object],
    ) -> None:
        self.user = servers.user(rights)
        self._servers = servers
        self._rights = rights
        self._address = address
        self._loop = loop
        self._renew = renew
        self._timer: _Timer | None = None

    def listed(self) -> list[IceServerInfo]:
        """Return the servers with new credentials; the next ones follow before these expire."""
        self.cancel()
        expiry_s, others_follow = self._servers.member_expiry_s(self._rights)
        if others_follow:
            share = random.uniform(_RENEWED_FROM, _RENEWED_TO)
            self._timer = self._loop.call_later(
                share * (expiry_s - time.time()), lambda: self._renew(self.listed())
            )
        return self._servers.listed(self.user, self._address, expiry_s)

    def cancel(self) -> None:
        """Pass on no further servers."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _table(path: str | None, named: set[str | None]) -> regions.Regions:
    wanted = sorted(region for region in named if region is not None)
    if path is None:
        if wanted:
            raise UsageError(
                f"--turn: region={wanted[0]} has no networks",
                hint="--turn-regions FILE maps networks of clients to regions",
            )
        return regions.Regions()
    table = regions.read(path, "--turn-regions")
    for region in wanted:
        if region not in table.names:
            raise UsageError(
                f"--turn: region={region} is not in {path}",
                hint=f"its regions: {', '.join(sorted(table.names)[:8])}",
            )
    return table


def _info(entry: IceServer) -> IceServerInfo:
    return IceServerInfo(entry.url, entry.username, entry.credential)
