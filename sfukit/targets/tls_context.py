"""The TLS context of clients."""

import ssl
from pathlib import Path

from sfukit.errors import UsageError

_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Alpine
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora
    "/etc/ssl/cert.pem",
)


def ca_bundle(ca_file: str | None, *, where: str) -> str:
    """Return the file of the CA certificates to trust: the given one, or that of the system.

    Raises ``UsageError`` where there is none; ``where`` is the option that names it.
    """
    if ca_file is not None:
        client_context(ca_file, insecure=False, where=where)
        return ca_file
    for found in (ssl.get_default_verify_paths().cafile, *_BUNDLES):
        if Path(found or "").is_file():  # None without such a file
            return found
    raise UsageError("this system has no file of CA certificates", hint=f"give {where} FILE")


def client_context(ca_file: str | None, *, insecure: bool, where: str) -> ssl.SSLContext:
    """Return a client's TLS context; loading the CA certificates takes tens of ms: once per run.

    Raises ``UsageError`` where the file cannot be read; ``where`` is the option that names it.
    """
    try:
        made = ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(f"{where} {ca_file}: no certificates can be read: {error}") from error
    if insecure:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    return made
