"""The TLS context of clients."""

import ssl

from sfukit.errors import UsageError


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
