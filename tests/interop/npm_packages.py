"""Packages of npm that tests load into a page: fetched by `npm pack`, pinned by their integrity."""

import base64
import functools
import hashlib
import subprocess
import tarfile
import tempfile
from io import BytesIO
from pathlib import Path

from tests.conftest import find_program

_FETCHED_S = 60.0
INTEGRITY = {
    "axe-core@4.14.1": "FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNt"
    "uFooJpZe37OgudVGtQ==",
    "events@3.3.0": "mQw+2fkQbALzQ7V0MY0IqdnXNOeTtP4r0lN9z7AAawCXgqea7bDii20AYrIBrFd/Hx0M2Ocz6"
    "S111CaFkUcb0Q==",
    "sdp-transform@2.15.0": "KrOH82c/W+GYQ0LHqtr3caRpM3ITglq3ljGUIb8LTki7ByacJZ9z+piSGiwZDsRyhQ"
    "bYBOBJgr2k6X4BZXi3Kw==",
    "@eyevinn/webrtc-player@0.13.0": "X5Nzznbyw9PXj85HYV7nyHSbeC0tWpTTAFEYjilnlLLWfo9EARx1tCQk5"
    "tdhmImnDST8VN50SYt6uMDudoVnWw==",
    "@eyevinn/whip-web-client@1.1.7": "3sTRwe6NHnvCsD63z5DZ10kQYlGqcVF1YXavIYzfj5bAWAWw5QCQ5uQq"
    "9d0phpEx1o6YmRsrU/a+A8A5Y2p4Gw==",
    "whip-whep@1.2.0": "CP+Tht3O/N6QLebW5LxsNKgzFN5KX6WinLr1SLs74feagYu+Gqy+0dw48p5RQuE+FlrM4xyO"
    "lOdW2UOQwljImA==",
}
"""SHA-512 of each package, in base64."""


def read(package: str, path: str) -> str:
    """Return a file of a package such as ``events@3.3.0``."""
    with tarfile.open(fileobj=BytesIO(_fetched(package)), mode="r:gz") as archive:
        member = archive.extractfile(f"package/{path}")
        assert member is not None
        return member.read().decode()


@functools.cache
def _fetched(package: str) -> bytes:
    npm = find_program("npm", "on Debian: apt-get install npm")
    with tempfile.TemporaryDirectory() as folder:
        command = [npm, "pack", "--silent", "--pack-destination", folder, package]
        subprocess.run(
            command, check=True, stdout=subprocess.DEVNULL, timeout=_FETCHED_S, cwd=folder
        )
        [archive] = Path(folder).iterdir()
        data = archive.read_bytes()
    found = base64.b64encode(hashlib.sha512(data).digest()).decode()
    assert found == INTEGRITY[package], f"{package} is not what was pinned: sha512-{found}"
    return data
