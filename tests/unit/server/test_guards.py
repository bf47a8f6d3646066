"""Origins and identifiers."""

import pytest

from sfukit.server import ids
from sfukit.server.origins import Origins
from sfukit.signaling.refusal import Refusal

HOST = "192.0.2.1:7080"


@pytest.mark.parametrize(
    ("origin", "host", "path", "is_open", "admitted"),
    [
        (None, HOST, "/ws", False, True),
        (f"http://{HOST}", HOST, "/ws", False, True),
        ("https://app.example", HOST, "/ws", False, True),
        ("https://APP.example", HOST, "/ws", False, True),
        ("https://evil.example", HOST, "/ws", False, False),
        ("https://evil.example", HOST, "/whip/demo", False, True),
        ("https://evil.example", HOST, "/debug/rooms", False, False),
        ("null", HOST, "/ws", False, False),
        (None, "127.0.0.1:7080", "/ws", True, True),
        (None, "[::1]:7080", "/ws", True, True),
        (None, "localhost:7080", "/ws", True, True),
        (None, "evil.example", "/ws", True, False),
        (None, "192.0.2.1", "/ws", True, False),
        ("http://localhost:5173", "127.0.0.1:7080", "/whip/demo", True, True),
        ("https://evil.example", "127.0.0.1:7080", "/whip/demo", True, False),
        ("null", "127.0.0.1:7080", "/whip/demo", True, False),
        ("http://[", "127.0.0.1:7080", "/ws", True, False),
    ],
)
def test_pages_of_other_origins_are_refused(
    origin: str | None, host: str, path: str, is_open: bool, admitted: bool
) -> None:
    origins = Origins(("https://app.example",), is_open=is_open)
    if not admitted:
        with pytest.raises(Refusal, match="origin_denied"):
            origins.admit(origin, host, path)
        return
    headers = origins.admit(origin, host, path)
    assert headers.get("Access-Control-Allow-Origin") == origin


def test_a_star_admits_every_origin() -> None:
    assert Origins(("*",), is_open=False).admit("https://any.example", HOST, "/ws")


def test_ids_and_ssrcs_are_never_reused() -> None:
    ours = ids.Ids()
    assert [ours.room(), ours.room(), ours.transport()] == [1, 2, 1]
    ssrcs = [ours.ssrc() for _ in range(100_000)]
    assert len(set(ssrcs)) == len(ssrcs)
    assert all(0 < ssrc < 2**32 for ssrc in ssrcs)


def test_secrets_are_long_enough() -> None:
    credentials = ids.ice_credentials()
    assert len(credentials.ufrag) >= 8
    assert len(credentials.pwd) >= 24
    assert len(ids.session_id()) >= 32
    assert ids.session_id() != ids.session_id()
