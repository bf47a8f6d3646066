"""Certificates for tests, made by openssl."""

import subprocess
from pathlib import Path
from typing import NamedTuple

from tests.conftest import find_program

_CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
_SUBJECT = "/CN=sfukit test"


class Certificate(NamedTuple):
    """A certificate and its key, as files."""

    cert: Path
    key: Path


def self_signed(
    folder: Path, name: str = "IP:127.0.0.1", *, days: int = 1, subject: str = _SUBJECT
) -> Certificate:
    """Make a certificate for `name` (`IP:...` or `DNS:...`); days below 0 have passed already."""
    openssl = find_program("openssl", "on Debian: apt-get install openssl")
    stem = f"{name.replace(':', '-')}-{days}"
    made = Certificate(folder / f"{stem}.pem", folder / f"{stem}.key")
    if days < 0:
        _expired(openssl, folder, name, made)
        return made
    command = [
        openssl, "req", "-x509", *_CURVE, "-subj", subject, "-addext", f"subjectAltName={name}",
        "-keyout", str(made.key), "-out", str(made.cert), "-days", str(days),
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    return made


def _expired(openssl: str, folder: Path, name: str, made: Certificate) -> None:
    """Sign for a past day by `openssl ca`: `req` cannot, before OpenSSL 3.4."""
    config = folder / "ca.cnf"
    config.write_text(
        "[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\nserial=serial\nnew_certs_dir=.\n"
        "default_md=sha256\npolicy=p\nx509_extensions=x\n[p]\ncommonName=supplied\n"
        f"[x]\nsubjectAltName={name}\nbasicConstraints=CA:TRUE\n"
    )
    (folder / "index.txt").write_text("")
    (folder / "serial").write_text("01")
    request = folder / "request.pem"
    make = [openssl, "req", *_CURVE, "-subj", _SUBJECT, "-keyout", str(made.key)]
    subprocess.run([*make, "-out", str(request)], check=True, capture_output=True)
    sign = [openssl, "ca", "-config", str(config), "-batch", "-selfsign", "-notext"]
    past = ["-startdate", "200101000000Z", "-enddate", "200102000000Z"]
    files = ["-keyfile", str(made.key), "-in", str(request), "-out", str(made.cert)]
    subprocess.run([*sign, *past, *files], check=True, capture_output=True, cwd=folder)
