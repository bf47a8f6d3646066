"""Long-term credentials, REST secrets, and what a refusal of them means.

A wrong password, an expired credential and none at all get the same 401 from a server: they are
told apart by what is known here (RFC 8489 section 9.2; draft-uberti-behave-turn-rest section 2.2).
"""

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass, field

_EXPIRY = re.compile(r"\d{9,11}")


@dataclass(frozen=True)
class Credentials:
    """A name with its password; ``made_from_secret`` tells that a shared secret signed it here."""

    username: str
    password: str = field(repr=False)
    made_from_secret: bool = False

    @property
    def expiry_s(self) -> int | None:
        """Tell when a REST credential ends, in Unix time; None where the name has no such part."""
        for part in self.username.split(":"):
            if _EXPIRY.fullmatch(part):
                return int(part)
        return None


def from_secret(secret: str, identity: str, expiry_s: int) -> Credentials:
    """Sign a credential that ends at a Unix time, as ``expiry:identity``."""
    username = f"{expiry_s}:{identity}"
    digest = hmac.new(secret.encode(), username.encode(), hashlib.sha1).digest()
    return Credentials(username, base64.b64encode(digest).decode(), made_from_secret=True)


def expired_cause(credentials: Credentials, now_s: float) -> str | None:
    """Say that a credential is over by this machine's clock, and for how long."""
    expiry_s = credentials.expiry_s
    if expiry_s is None or expiry_s > now_s:
        return None
    return f"credential_expired({now_s - expiry_s:.0f}s ago)"
