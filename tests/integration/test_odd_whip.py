"""``sfukit check`` against endpoints whose HTTP is odd: verdict, cause and what is said of each."""

from collections.abc import AsyncIterator
from typing import NamedTuple

import pytest

from sfukit.cli.check_text import closing_lines, step_lines
from sfukit.probe.check.options import CheckOptions
from sfukit.probe.check.report import CheckReport
from sfukit.probe.check.run import check
from sfukit.targets.access import Access
from sfukit.targets.detect import parse_target
from tests.odd.whip_server import OddWhip, odd_whip

TOKEN = "opaque"


@pytest.fixture
async def server() -> AsyncIterator[OddWhip]:
    async with odd_whip() as running:
        yield running


async def checked(target: str, *, allowed: frozenset[str] = frozenset()) -> CheckReport:
    access = Access(token=TOKEN, allow_hosts=allowed)
    return await check(CheckOptions(target=parse_target(target), access=access))


def text_of(outcome: CheckReport) -> str:
    lines = [line for step in outcome.steps for line in step_lines(step)]
    return "\n".join([*lines, *closing_lines(outcome)])


class Row(NamedTuple):
    """The expected result of a mode: the failing step, its cause, and parts of its text."""

    mode: str
    step: str
    cause: str
    says: str = ""


NO_MEDIA = ("ice", "media_port_closed")  # all is well up to the media that there is not

ROWS = [
    Row("ok201", *NO_MEDIA),
    Row("ok200", *NO_MEDIA, "answered with 200 instead of 201"),
    Row("noloc", *NO_MEDIA, "no Location"),
    Row("relloc", *NO_MEDIA),
    Row("query", *NO_MEDIA),
    Row("otherhost", *NO_MEDIA, "--allow-host localhost"),
    Row("lower", *NO_MEDIA),
    Row("charset", *NO_MEDIA),
    Row("untyped", *NO_MEDIA, "an SDP with text/plain Content-Type"),
    Row("del404", *NO_MEDIA),
    Row("nooptions", *NO_MEDIA),
    Row("noacceptpost", *NO_MEDIA),
    Row("nocandidate", "ice", "no_candidates"),
    Row("videoinactive", *NO_MEDIA, "video is off: the answer has it a=inactive"),
    Row("videoport0", *NO_MEDIA, "video is off: the answer has it with port 0"),
    Row("videosendonly", *NO_MEDIA, "video is off: the answer has it a=sendonly"),
    Row("login", "sdp", "answer_not_sdp", "text/html instead of application/sdp"),
    Row("json", "sdp", "answer_not_sdp", "application/json instead of application/sdp"),
    Row("empty", "sdp", "answer_not_sdp", "an empty body"),
    Row("escapes", "sdp", "answer_not_sdp", "?[2J"),
    Row("busy", "sdp", "busy", "already publishing; Retry-After: 30 s"),
    Row("full", "sdp", "overloaded", "no room is left; Retry-After: Wed, 21 Oct"),
    Row("redir301", "sdp", "redirect_301", "/ok201/whip"),
    Row("redir302", "sdp", "redirect_302", "https://login.example/?next=whip"),
    Row("redir303", "sdp", "redirect_303", "/ok201/whip"),
    Row("redir307", *NO_MEDIA, "redirected to http://127.0.0.1"),
    Row("redir308", *NO_MEDIA, "redirected to http://127.0.0.1"),
    Row("redirhost", "sdp", "redirect_elsewhere", "--allow-host localhost"),
    Row("redirnowhere", "sdp", "redirect_nowhere", "the Location is no http or https URL"),
    Row("loop", "sdp", "redirect_loop", "/loop/whip -> http://"),
    Row("ping", "sdp", "redirect_loop", "/pong/whip -> http://"),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.mode)
async def test_each_oddity_has_its_verdict(server: OddWhip, row: Row) -> None:
    outcome = await checked(f"whip+{server.url(row.mode)}")
    text = text_of(outcome)
    assert (outcome.exit_code, outcome.failed_step, outcome.cause) == (4, row.step, row.cause), text
    assert row.says in text
    assert text.replace("\n", "").isprintable()
    assert all(one.authorization is None for one in server.asked if "localhost" in one.host)


@pytest.mark.parametrize(
    ("mode", "path"),
    [
        ("ok201", "/session/0"),
        ("relloc", "/relloc/whip/4f2a"),
        ("query", "/rtc/v1/whip/?action=delete&token=k2&session=s%3A4f2a"),
        ("redir307", "/session/0"),
        ("del404", "/session/0"),
    ],
)
async def test_a_session_is_deleted_at_its_location(server: OddWhip, mode: str, path: str) -> None:
    await checked(f"whip+{server.url(mode)}")
    ended = server.asked[-1]
    assert (ended.method, ended.path) == ("DELETE", path)
    assert ended.authorization == f"Bearer {TOKEN}"


@pytest.mark.parametrize(
    ("allowed", "authorization"),
    [(frozenset(), None), (frozenset({"localhost"}), f"Bearer {TOKEN}")],
)
async def test_a_session_at_another_origin(
    server: OddWhip, allowed: frozenset[str], authorization: str | None
) -> None:
    await checked(f"whip+{server.url('otherhost')}", allowed=allowed)
    ended = server.asked[-1]
    assert (ended.method, ended.path) == ("DELETE", "/session/2")
    assert ended.host.startswith("localhost:")
    assert ended.authorization == authorization


async def test_a_redirect_to_a_host_that_was_allowed(server: OddWhip) -> None:
    outcome = await checked(f"whip+{server.url('redirhost')}", allowed=frozenset({"localhost"}))
    assert (outcome.failed_step, outcome.cause) == NO_MEDIA
    offers = [one for one in server.asked if one.method == "POST"]
    assert [one.host.partition(":")[0] for one in offers] == ["127.0.0.1", "localhost"]
    assert offers[-1].authorization == f"Bearer {TOKEN}"


@pytest.mark.parametrize(
    ("mode", "endpoint", "kind", "how"),
    [
        ("ok201", "whip", "whip", "accepts SDP by POST"),
        ("ok201", "whep", "whep", "accepts SDP by POST"),
        ("ok201", "publish", "whip", "accepts SDP by POST"),
        ("nooptions", "whip", "whip", "by its path"),
        ("noacceptpost", "rtc/v1/whip/?app=live", "whip", "by its path"),
        ("noacceptpost", "whep", "whep", "by its path"),
    ],
)
async def test_the_kind_of_an_endpoint(
    server: OddWhip, mode: str, endpoint: str, kind: str, how: str
) -> None:
    outcome = await checked(server.url(mode, endpoint))
    assert outcome.kind == kind
    assert how in next(step.found for step in outcome.steps if step.name == "http")
    assert (outcome.failed_step, outcome.cause) == NO_MEDIA


@pytest.mark.parametrize(
    ("mode", "says"),
    [("nooptions", "OPTIONS with 404"), ("moved", "redirected to https://sfu.example/moved")],
)
async def test_a_path_without_whip_or_whep(server: OddWhip, mode: str, says: str) -> None:
    outcome = await checked(server.url(mode, "publish"))
    assert (outcome.failed_step, outcome.cause) == ("http", "not_an_sfu")
    assert says in text_of(outcome)


async def test_a_conflict_is_no_publisher_to_a_subscriber(server: OddWhip) -> None:
    outcome = await checked(server.url("busy", "whep"))
    assert (outcome.failed_step, outcome.cause) == ("sdp", "not_live")
