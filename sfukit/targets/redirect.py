"""Redirects of an offer: followed by RFC 9725 section 4.5, else refused with a cause."""

from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

import httpx

from sfukit.targets import load_permission
from sfukit.targets.origin import Credentials, denied_reason

MOST = 5

_KEEPS_METHOD = frozenset((307, 308))
_MAY_LOSE_METHOD = frozenset((301, 302, 303))
_FIX = "correct the redirects of the server, or of the proxy in front of it"
_STATUSES = _KEEPS_METHOD | _MAY_LOSE_METHOD


class RedirectError(httpx.HTTPError):
    """A redirect that is not followed: ``cause`` in one word, and the fix."""

    def __init__(self, cause: str, what: str, hint: str) -> None:
        super().__init__(what)
        self.cause = cause
        self.hint = hint


def join(answered_from: str, location: str) -> str:
    """Resolve a ``Location`` against its URL; raises ``ValueError`` if it is no URL."""
    joined = urljoin(answered_from, location)
    parts = urlsplit(joined)
    _ = parts.port  # raises where there is no such port
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("another scheme, or no host")
    try:
        return str(httpx.URL(joined))
    except httpx.InvalidURL as error:
        raise ValueError(str(error)) from error


def nowhere(why: str) -> RedirectError:
    """Return the error for a redirect with an unusable Location."""
    what = f"redirected, and the Location is no http or https URL ({why})"
    return RedirectError("redirect_nowhere", what, _FIX)


@dataclass
class Trail:
    """The redirects of one request so far; at most ``MOST``, and no loop.

    ``clients`` is the number of senders: more than a few need permission for every host.
    """

    method: str
    first: str
    credentials: Credentials | None
    clients: int = 1

    def __post_init__(self) -> None:
        self._been = [self.first]

    def further(self, status: int, location: str | None) -> str | None:
        """Return the next URL; None for no redirect. Raises ``RedirectError``."""
        if status not in _STATUSES:
            return None
        to = self._target(status, location)
        if status in _MAY_LOSE_METHOD and self.method != "GET":
            raise RedirectError(
                f"redirect_{status}",
                f"redirected by {status} to {to}: clients may send GET there, without the offer",
                f"give {to} as the URL, or let the server answer 307 or 308 (RFC 9725 section 4.5)",
            )
        self._permit(status, to)
        if to in self._been:
            circle = " -> ".join([*self._been[self._been.index(to) :], to])
            raise RedirectError("redirect_loop", f"redirected in a loop: {circle}", _FIX)
        if len(self._been) > MOST:
            raise RedirectError(
                "too_many_redirects",
                f"more than {MOST} redirects, the last to {to}",
                "give the URL of the endpoint itself",
            )
        self._been.append(to)
        return to

    def _target(self, status: int, location: str | None) -> str:
        try:
            if location is None:
                raise ValueError("there is none")
            return join(self._been[-1], location)
        except ValueError as error:
            raise nowhere(f"{status}, {location!r}: {error}") from error

    def _permit(self, status: int, to: str) -> None:
        """Raise ``RedirectError`` where an offer or credentials must not be sent."""
        credentials = self.credentials
        allowed = credentials.allowed if credentials is not None else frozenset()
        why = denied_reason(self.first, to, allowed)
        load = load_permission.denied_reason(self.first, to, self.clients, allowed)
        if load is not None and why != "from https to http":
            raise RedirectError(
                "redirect_elsewhere",
                f"redirected by {status} to another host, {to}: {load}",
                f"if that host is yours: --allow-host {urlsplit(to).hostname}",
            )
        has_secrets = credentials is not None and bool(credentials.headers)
        if why is None or (why == "to another origin" and not has_secrets):
            return
        if why == "to another origin":
            raise RedirectError(
                "redirect_elsewhere",
                f"redirected by {status} to another origin, {to}: the token is not sent there",
                f"if that host is yours: --allow-host {urlsplit(to).hostname}",
            )
        raise RedirectError(
            "redirect_downgrade",
            f"redirected by {status} from https to {to}: neither offer nor token is sent there",
            "let the server redirect to https",
        )
