"""Long-term credentials and REST secrets (RFC 8489 section 9.2).

A wrong password, an expired credential and a missing one get the same 401: the client's own data
distinguishes them (RFC 8489 section 9.2; draft-uberti-behave-turn-rest section 2.2).
"""

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass, field

_FAR_S = 366 * 86_400  # beyond any plausible clock skew
_EXPIRY = re.compile(r"\d{9,11}")


@dataclass(frozen=True)
class Credentials:
    """User name and password; ``made_from_secret``: signed here with a shared secret."""

    username: str
    password: str = field(repr=False)
    made_from_secret: bool = False

    @property
    def expiry_s(self) -> int | None:
        """Return when a REST credential expires, in Unix time; None for other user names."""
        for part in self.username.split(":"):
            if _EXPIRY.fullmatch(part):
                return int(part)
        return None


@dataclass(frozen=True)
class Login:
    """User name and password, or the REST secret that signs both; all may be absent."""

    user: str | None = None
    password: str | None = field(default=None, repr=False)
    secret: str | None = field(default=None, repr=False)
    ttl_s: int = 3600

    def credentials(self, now_s: float) -> Credentials | None:
        """Return the credentials for a request now, or None."""
        if self.secret is not None:
            return from_secret(self.secret, self.user or "sfukit", int(now_s) + self.ttl_s)
        if self.user is not None and self.password is not None:
            return Credentials(self.user, self.password)
        return None

    def far_credentials(self, now_s: float) -> Credentials | None:
        """Return credentials beyond any clock skew; None without a secret."""
        if self.secret is None:
            return None
        return from_secret(self.secret, self.user or "sfukit", int(now_s) + _FAR_S)


def from_secret(secret: str, identity: str, expiry_s: int) -> Credentials:
    """Sign a credential that expires at a Unix time, as ``expiry:identity``."""
    username = f"{expiry_s}:{identity}"
    digest = hmac.new(secret.encode(), username.encode(), hashlib.sha1).digest()
    return Credentials(username, base64.b64encode(digest).decode(), made_from_secret=True)


def expired_cause(credentials: Credentials, now_s: float) -> str | None:
    """Return the cause for a credential that has expired by this machine's clock, or None."""
    expiry_s = credentials.expiry_s
    if expiry_s is None or expiry_s > now_s:
        return None
    return f"credential_expired({now_s - expiry_s:.0f}s ago)"
