"""Servers that answer without end, or send elsewhere without end: an answer all the same."""

import asyncio
from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from sfukit.probe.check.http_signaling import HttpSignalingClient
from sfukit.probe.steps import StepFailedError, StepRecorder
from sfukit.targets import http_request
from sfukit.targets.origin import Credentials
from sfukit.targets.redirect import RedirectError

NONE = Credentials(home="http://h/whip", headers={})

Handler = Callable[[httpx.Request], httpx.Response]


class Body(httpx.AsyncByteStream):
    """A body of as many pieces as are read; ``slow`` ones never get to the second."""

    def __init__(self, *, slow: bool) -> None:
        self._slow = slow

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            yield bytes(100_000)
            if self._slow:
                await asyncio.Event().wait()


def client(handler: Handler) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.MockTransport(handler))


def endless(_: httpx.Request) -> httpx.Response:
    return httpx.Response(200, stream=Body(slow=False))


def dripping(_: httpx.Request) -> httpx.Response:
    return httpx.Response(200, stream=Body(slow=True))


def sent_to(place: str) -> Handler:
    return lambda _: httpx.Response(307, headers={"Location": place})


async def test_a_body_without_end_is_cut() -> None:
    reply = await http_request.send(client(endless), "GET", "http://h/", limit_s=5)
    assert len(reply.body) == http_request.LARGEST_BYTES


@pytest.mark.parametrize(
    ("handler", "kind"),
    [
        (dripping, httpx.ReadTimeout),
        (sent_to("/again"), RedirectError),
        (sent_to("http://h:99999/"), RedirectError),
        (sent_to("http://[::1"), httpx.RemoteProtocolError),
    ],
)
async def test_what_does_not_come_to_an_end(handler: Handler, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        await http_request.send(client(handler), "POST", "http://h/", limit_s=0.05, follow=True)


async def test_an_offer_follows_where_it_is_sent() -> None:
    def moved(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/":
            return httpx.Response(307, headers={"Location": "/there"})
        return httpx.Response(201, text=request.content.decode())

    asked = client(moved)
    reply = await http_request.send(
        asked, "POST", "http://h/", limit_s=5, content="v=0", follow=True
    )
    assert (reply.status, reply.url, reply.text) == (201, "http://h/there", "v=0")


@pytest.mark.parametrize("location", ["http://[::1", "http://h:99999/s", "//h:x/"])
async def test_a_session_that_is_nowhere(location: str) -> None:
    with pytest.raises(ValueError):  # its words are those of three libraries
        http_request.join("http://h/whip", location)

    def created(_: httpx.Request) -> httpx.Response:
        return httpx.Response(201, text="v=0", headers={"Location": location})

    recorder = StepRecorder()
    entry = HttpSignalingClient(client(created), "http://h/whip", NONE, role="publisher", limit_s=5)
    with pytest.raises(StepFailedError) as failed:
        await entry.exchange(recorder, "v=0")
    assert failed.value.cause == "answer_unusable"
    assert recorder.steps[-1].name == "sdp"
    await entry.leave()


async def test_an_offer_that_is_answered_for_ever() -> None:
    recorder = StepRecorder()
    entry = HttpSignalingClient(
        client(dripping), "http://h/whip", NONE, role="publisher", limit_s=0.05
    )
    with pytest.raises(StepFailedError) as failed:
        await entry.exchange(recorder, "v=0")
    assert failed.value.cause == "no_answer"
