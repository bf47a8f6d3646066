"""Detect the kind of a target: by its scheme, else by HTTP requests."""

import re
from collections.abc import Mapping
from typing import Literal, NamedTuple
from urllib.parse import urlsplit, urlunsplit

import httpx
import msgspec

from sfukit.errors import TargetError, UsageError
from sfukit.targets import galene_group, http_request, janus_info
from sfukit.targets.access import Access, fill_in
from sfukit.targets.http_request import Response
from sfukit.targets.no_response import no_response

Kind = Literal["sfukit", "whip", "whep", "livekit", "galene", "janus", "plugin"]

# signaling of another project
BY_ADAPTER: frozenset[Kind] = frozenset(("livekit", "galene", "janus"))

_ANSWER_S = 5.0
_KINDS: Mapping[str, Kind] = {
    "sfukit": "sfukit",
    "whip": "whip",
    "whep": "whep",
    "livekit": "livekit",
    "galene": "galene",
    "janus": "janus",
}
_HINT = "give http(s)://HOST:PORT of an sfukit server, or whip+https://... with --play URL"
_GALENE_HINT = "give galene+https://HOST:8443/group/NAME, with {room} as NAME for several rooms"
_PLAY_HINT = "give the http(s)://HOST:PORT/... of a WHEP endpoint"

_WHEP = re.compile(r"(^|[/.])whep(/|$)", re.IGNORECASE)  # WHIP and WHEP differ only in the offer
_WHIP = re.compile(r"(^|[/.])whip(/|$)", re.IGNORECASE)


class DetectedTarget(NamedTuple):
    """A detected target: kind, URL, and the version where the server says it.

    ``by_path``: detected by the path only.
    """

    kind: Kind
    url: str
    version: str | None
    by_path: bool = False


class TargetUrl(NamedTuple):
    """A target as given: a forced kind or None, and a plain URL."""

    kind: Kind | None
    url: str


class _Info(msgspec.Struct):
    server: str
    version: str = ""


def parse_target(text: str) -> TargetUrl:
    """Parse ``[KIND+]URL``; ``ws`` becomes ``http``."""
    scheme, separator, rest = text.partition("://")
    kind, plus, plain = scheme.rpartition("+")
    url = f"{plain.replace('ws', 'http')}://{rest}"
    if not separator or plain not in ("http", "https", "ws", "wss") or not _can_be_asked(url):
        raise UsageError(f"target {text!r}: this is no URL", hint=_HINT)
    if plus and kind not in _KINDS:
        raise UsageError(
            f"target {text!r}: no kind is called {kind!r}",
            hint=f"kinds: {', '.join(f'{one}+' for one in _KINDS)}",
        )
    return TargetUrl(_KINDS.get(kind), url)


def parse_plugin_url(text: str) -> str:
    """Read TARGET of a plug-in: a URL of any scheme; raises ``UsageError``."""
    parts = urlsplit(text)
    if not parts.scheme or not _can_be_asked(parts._replace(scheme="http").geturl()):
        raise UsageError(f"target {text!r}: this is no URL", hint="give SCHEME://HOST[:PORT]/...")
    return text


def parse_play(text: str) -> str:
    """Read ``--play URL``, a WHEP endpoint; raises ``UsageError``."""
    if not text.startswith(("http://", "https://")) or not _can_be_asked(text):
        raise UsageError(f"--play {text!r}: this is no URL", hint=_PLAY_HINT)
    return text


async def detect(
    address: TargetUrl, client: httpx.AsyncClient, how: Access | None = None
) -> DetectedTarget:
    """Detect the kind of a target; raise ``TargetError`` without a response, or if unknown.

    ``how`` has the certificates for WebSockets. A server of WebSockets alone may close the
    connection of other requests: it may be Janus, as may one of an unknown kind.
    """
    if address.kind in ("whip", "whep"):
        return DetectedTarget(address.kind, address.url, None)
    if address.kind == "janus":
        return await _janus(address, client, how)
    try:
        return await _by_http(address, client)
    except TargetError as error:
        cause = error.__cause__
        if address.kind is not None or not isinstance(cause, httpx.RemoteProtocolError | None):
            raise
        refused = error
    janus = await janus_info.ask(address.url, client, how or Access(), _ANSWER_S)
    if janus is None:
        raise refused
    return DetectedTarget("janus", janus.url, janus.version)


async def _by_http(address: TargetUrl, client: httpx.AsyncClient) -> DetectedTarget:
    """Detect the kind by HTTP requests.

    Servers without ``Accept-Post`` are common: then the path has to contain whip or whep.
    """
    signaling = await _signaling(address, client)
    if signaling is not None:
        return DetectedTarget(signaling, address.url, None)
    options = None if address.kind else await _options(address.url, client)
    named = _named_by_path(address.url)
    if options is not None and _accepts_offers(options):
        return DetectedTarget(named or "whip", address.url, None)
    root = _root(address.url)
    info = await _info(root, client)
    if info is not None and info.server == "sfukit":
        return DetectedTarget("sfukit", root, info.version)
    if address.kind is None and named is not None:
        return DetectedTarget(named, address.url, None, by_path=True)
    if address.kind is None and await _is_livekit(root, client):
        return DetectedTarget("livekit", address.url, None)
    said = "" if options is None else _told(options)
    raise TargetError(
        f"{address.url} answers{said}, but is neither an sfukit server nor a WHIP endpoint",
        hint=_HINT,
    )


async def require_http(url: str, client: httpx.AsyncClient) -> None:
    """Send OPTIONS; raise ``TargetError`` without an HTTP response."""
    await _send("OPTIONS", url, client)


async def _signaling(address: TargetUrl, client: httpx.AsyncClient) -> Kind | None:
    """Return galene for the URL of a group, and livekit where it is forced.

    Servers of both are requested once: an unreachable one is reported before any join.
    """
    if address.kind == "livekit":
        await _send("GET", _root(address.url), client)
        return "livekit"
    if address.kind not in ("galene", None):
        return None
    group = galene_group.parse(fill_in(address.url, "room-1", 1))
    if group is None:
        if address.kind is None:
            return None
        raise UsageError(f"target {address.url}: this is not the URL of a group", hint=_GALENE_HINT)
    status = await _send("GET", galene_group.status_url(group), client)
    found = galene_group.endpoint(group, status.body) is not None
    return "galene" if found or address.kind == "galene" else None


async def _janus(
    address: TargetUrl, client: httpx.AsyncClient, how: Access | None
) -> DetectedTarget:
    """Return the Janus server of a forced kind."""
    janus = await janus_info.ask(address.url, client, how or Access(), _ANSWER_S)
    if janus is None:
        await _send("GET", _root(address.url), client)  # tells an unreachable server
        raise TargetError(
            f"{address.url} answers, but not as a WebSocket of Janus (janus-protocol)",
            hint=janus_info.HINT,
        )
    return DetectedTarget("janus", janus.url, janus.version)


async def _is_livekit(root: str, client: httpx.AsyncClient) -> bool:
    """Request LiveKit's check of tokens without a token, which it refuses in plain text."""
    reply = await _send("GET", f"{root}/rtc/validate", client)
    return (
        reply.status == httpx.codes.UNAUTHORIZED
        and reply.media_type == "text/plain"
        and "permission" in reply.text
    )


def _can_be_asked(url: str) -> bool:
    """Return whether a URL has a host and a valid port."""
    try:
        parts = urlsplit(fill_in(url, "room-1", 1))
        return bool(parts.hostname and parts.port != 0 and httpx.URL(parts.geturl()).host)
    except (ValueError, httpx.InvalidURL):
        return False


def _root(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc, "", "", ""))


async def _options(url: str, client: httpx.AsyncClient) -> Response:
    """Send OPTIONS, whose response has ``Accept-Post: application/sdp`` (RFC 9725 section 4.2)."""
    return await _send("OPTIONS", url.replace("{room}", "room-1"), client)


def _accepts_offers(options: Response) -> bool:
    return "application/sdp" in options.headers.get("accept-post", "").lower()


def _named_by_path(url: str) -> Kind | None:
    path = urlsplit(url).path
    if _WHEP.search(path):
        return "whep"
    return "whip" if _WHIP.search(path) else None


def _told(options: Response) -> str:
    """Describe a response without ``Accept-Post``."""
    to = options.headers.get("location")
    if to is not None and options.status // 100 == 3:
        return f" OPTIONS with {options.status}, redirected to {to}"
    return f" OPTIONS with {options.status}"


async def _info(root: str, client: httpx.AsyncClient) -> _Info | None:
    response = await _send("GET", f"{root}/info", client)
    try:
        return msgspec.json.decode(response.body, type=_Info)
    except msgspec.DecodeError:
        return None


async def _send(method: str, url: str, client: httpx.AsyncClient) -> Response:
    try:
        return await http_request.send(client, method, url, limit_s=_ANSWER_S)
    except httpx.HTTPError as error:
        raise no_response(error, url, _ANSWER_S) from error
