"""The faults that `sfukit check` names, each provoked, mostly on a running `sfukit serve`.

`python -m tests.interop.check_faults` prints the report of each; test_check.py runs them as tests.
"""

import contextlib
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sfukit.signaling.token import Claims, VideoGrants, claims_for, sign
from tests.certificates import self_signed
from tests.interop.check_stub import Behaviour, whip_stub
from tests.interop.command import CommandResult, Invocation, run
from tests.interop.coturn import free_ports
from tests.interop.namespace import ADDRESS, namespace
from tests.interop.server import serving
from tests.interop.turn_stub import TurnStub
from tests.on_a_thread import on_a_thread

_KEY, _SECRET = "north", "a secret that is long enough for HS256"
_KEYS = ("--api-key", _KEY, "--api-secret", _SECRET)


@dataclass(frozen=True)
class Fault:
    """A fault with the step that fails, its cause, and the context that provokes it."""

    name: str
    step: str
    cause: str
    provoke: Callable[[Path], contextlib.AbstractContextManager[Invocation]]
    needs_namespace: bool = False


FAULTS: list[Fault] = []


def fault(
    step: str, cause: str, *, needs_namespace: bool = False
) -> Callable[[Callable[[Path], Iterator[Invocation]]], None]:
    """Register a fault in `FAULTS`."""

    def register(provoke: Callable[[Path], Iterator[Invocation]]) -> None:
        manager = contextlib.contextmanager(provoke)
        FAULTS.append(Fault(provoke.__name__, step, cause, manager, needs_namespace))

    return register


# --- dns to http ---------------------------------------------------------------------------------


@fault("dns", "name_unknown")
def host_name_that_does_not_resolve(folder: Path) -> Iterator[Invocation]:
    yield Invocation(["http://no-such-host.invalid:7080"])


@fault("tcp", "port_closed")
def closed_port(folder: Path) -> Iterator[Invocation]:
    yield Invocation([f"http://127.0.0.1:{free_ports(1)[0]}"])


@fault("tcp", "no_answer", needs_namespace=True)
def http_port_behind_a_firewall(folder: Path) -> Iterator[Invocation]:
    with namespace() as network:
        network.firewall("tcp dport 7080 drop")
        yield Invocation([f"http://{ADDRESS}:7080"], network.prefix)


@fault("tls", "certificate_untrusted")
def self_signed_certificate(folder: Path) -> Iterator[Invocation]:
    with secure_server(folder, "IP:127.0.0.1") as (url, _):
        yield Invocation([url])


@fault("tls", "certificate_name")
def certificate_of_another_name(folder: Path) -> Iterator[Invocation]:
    with secure_server(folder, "DNS:elsewhere.example") as (url, cert):
        yield Invocation([url, "--cacert", str(cert)])


@fault("tls", "certificate_expired")
def expired_certificate(folder: Path) -> Iterator[Invocation]:
    with secure_server(folder, "IP:127.0.0.1", days=-1) as (url, cert):
        yield Invocation([url, "--cacert", str(cert)])


@fault("tls", "no_tls")
def https_to_an_http_port(folder: Path) -> Iterator[Invocation]:
    with serving(folder) as server:
        yield Invocation([server.http.replace("http:", "https:")])


@fault("http", "not_http")
def http_to_an_https_port(folder: Path) -> Iterator[Invocation]:
    with secure_server(folder, "IP:127.0.0.1") as (url, _):
        yield Invocation([url.replace("https:", "http:")])


@fault("http", "not_http")
def response_that_is_not_http(folder: Path) -> Iterator[Invocation]:
    with TurnStub("nonsense") as stub:
        yield Invocation([f"http://127.0.0.1:{stub.port}"])


@fault("http", "no_answer")
def server_that_accepts_and_does_not_respond(folder: Path) -> Iterator[Invocation]:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        yield Invocation([f"http://127.0.0.1:{silent.getsockname()[1]}"])


@fault("http", "not_found_404")
def unknown_path(folder: Path) -> Iterator[Invocation]:
    with serving(folder) as server:
        yield Invocation([server.url("/publish/demo")])


# --- token and offer -----------------------------------------------------------------------------


@fault("token", "token_missing")
def no_token(folder: Path) -> Iterator[Invocation]:
    with serving(folder, *_KEYS) as server:
        yield Invocation([server.http])


@fault("token", "token_invalid")
def wrong_secret(folder: Path) -> Iterator[Invocation]:
    with serving(folder, *_KEYS) as server:
        yield Invocation([server.http, "--api-key", _KEY, "--api-secret", "x" * 32])


@fault("token", "token_expired")
def expired_token(folder: Path) -> Iterator[Invocation]:
    grants = VideoGrants(room="demo", room_join=True, room_create=True)
    ended = int(time.time()) - 60
    token = sign(Claims(_KEY, "ann", ended - 60, ended, "", grants), _SECRET)
    with serving(folder, *_KEYS) as server:
        yield Invocation([server.url("/whip/demo"), "--token", token])


@fault("token", "room_denied")
def token_for_another_room(folder: Path) -> Iterator[Invocation]:
    grants = VideoGrants(room="demo", room_join=True, room_create=True)
    token = sign(claims_for(_KEY, "ann", grants, valid_s=600), _SECRET)
    with serving(folder, *_KEYS) as server:
        yield Invocation([server.http, "--token", token, "--room", "other"])


@fault("sdp", "not_found_404")
def wrong_whip_path(folder: Path) -> Iterator[Invocation]:
    with serving(folder) as server:
        yield Invocation([f"whip+{server.url('/publish/demo')}"])


@fault("sdp", "not_live")
def whep_without_a_publisher(folder: Path) -> Iterator[Invocation]:
    with serving(folder) as server:
        yield Invocation([server.url("/whep/demo")])


@fault("sdp", "answer_unusable")
def answer_that_is_not_sdp(folder: Path) -> Iterator[Invocation]:
    yield from _stub("nonsense")


@fault("sdp", "answer_unusable")
def answer_that_rejects_every_m_line(folder: Path) -> Iterator[Invocation]:
    yield from _stub("bare")


@fault("sdp", "no_answer")
def offer_without_an_answer(folder: Path) -> Iterator[Invocation]:
    yield from _stub("slow")


# --- media ---------------------------------------------------------------------------------------


@fault("ice", "udp_blocked", needs_namespace=True)
def media_port_behind_a_firewall(folder: Path) -> Iterator[Invocation]:
    with namespace() as network:
        network.firewall("udp dport 7081 drop")
        with serving(folder, udp_port=7081, prefix=network.prefix) as server:
            yield Invocation([server.http], network.prefix)


@fault("ice", "sfu_private_host_candidate")
def private_address_of_the_server(folder: Path) -> Iterator[Invocation]:
    with serving(folder, "--advertise", "10.255.1.2") as server:
        yield Invocation([server.http])


@fault("ice", "media_port_closed")
def closed_media_port(folder: Path) -> Iterator[Invocation]:
    yield from _stub("closed")


@fault("ice", "no_candidates")
def answer_without_candidates(folder: Path) -> Iterator[Invocation]:
    yield from _stub("no_candidates")


@fault("ice", "mdns_only")
def answer_with_mdns_candidates_only(folder: Path) -> Iterator[Invocation]:
    yield from _stub("mdns")


@fault("ice", "ice_refused")
def media_port_of_another_server(folder: Path) -> Iterator[Invocation]:
    yield from _stub("refuses_ice")


@fault("dtls", "dtls_broken", needs_namespace=True)
def firewall_that_drops_large_packets(folder: Path) -> Iterator[Invocation]:
    with namespace() as network:
        network.firewall("udp dport 7081 udp length > 160 drop")
        with serving(folder, udp_port=7081, prefix=network.prefix) as server:
            yield Invocation([server.http], network.prefix)


@fault("dtls", "dtls_no_answer")
def media_port_without_dtls(folder: Path) -> Iterator[Invocation]:
    yield from _stub("stun_alone")


# --- helpers -------------------------------------------------------------------------------------


@contextlib.contextmanager
def secure_server(folder: Path, name: str, *, days: int = 1) -> Iterator[tuple[str, Path]]:
    """Serve with a certificate for `name`."""
    cert, key = self_signed(folder, name, days=days)
    with serving(folder, "--tls-cert", str(cert), "--tls-key", str(key)) as server:
        yield server.http, cert


def _stub(behaviour: Behaviour) -> Iterator[Invocation]:
    with on_a_thread(whip_stub(behaviour)) as url:
        yield Invocation([url])


def failure(result: CommandResult) -> tuple[str, str]:
    """Return the failed step, and the cause without its parameters."""
    return result.report["failed_step"] or "", (result.report["cause"] or "").partition("(")[0]


def main() -> None:
    """Print the text of the command for each fault."""
    wrong = 0
    for one in FAULTS:
        with tempfile.TemporaryDirectory() as name, one.provoke(Path(name)) as invocation:
            result = run("check", invocation, Path(name))
        right = failure(result) == (one.step, one.cause)
        wrong += not right
        print(f"--- {one.name.replace('_', ' ')}{'' if right else '   WRONG CAUSE'}")
        print(result.text)
    print(f"{len(FAULTS) - wrong} of {len(FAULTS)} faults with the right cause")


if __name__ == "__main__":
    main()
