"""Headless Chromium, driven over the DevTools protocol through a pipe.

The pipe (file descriptors 3 and 4, messages ended by a zero byte) needs no port and reaches into
a network namespace. Source: Chromium's `--remote-debugging-pipe`.
"""

import asyncio
import base64
import contextlib
import itertools
import json
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--no-first-run",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    # background tabs must not be throttled
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
    "--autoplay-policy=no-user-gesture-required",
    "--window-size=1280,900",
)
ON_LOOPBACK = "--allow-loopback-in-peer-connection"
# the permission that this grants also disables mDNS names of host candidates
WITH_CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
READY_S = 30.0
CALL_S = 60.0


class PageError(AssertionError):
    """A script in the page threw, or the page was closed."""


class Browser:
    """One Chromium process."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, process_group: int
    ) -> None:
        self._writer = writer
        self._process_group = process_group
        self._ids = itertools.count(1)
        self._calls: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._pages: dict[str, Page] = {}
        self._listening = asyncio.create_task(self._listen(reader))

    async def page(self, url: str) -> "Page":
        """Open a tab in a new window and wait until it has loaded."""
        target = await self.call("Target.createTarget", url="about:blank", newWindow=True)
        attached = await self.call(
            "Target.attachToTarget", targetId=target["targetId"], flatten=True
        )
        page = Page(self, attached["sessionId"], target["targetId"])
        self._pages[attached["sessionId"]] = page
        await page.call("Runtime.enable")
        await page.call("Page.enable")
        await page.open(url)
        return page

    async def call(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        """Call a DevTools method and wait for its result."""
        if self._listening.done():
            raise PageError("Chromium has ended")
        call_id = next(self._ids)
        message = {"id": call_id, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        response = self._calls[call_id] = asyncio.get_running_loop().create_future()
        self._writer.write(json.dumps(message).encode() + b"\0")
        return await asyncio.wait_for(response, CALL_S)

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        try:
            while True:
                message = json.loads((await reader.readuntil(b"\0"))[:-1])
                self._dispatch(message)
        except asyncio.IncompleteReadError:
            for response in self._calls.values():
                if not response.done():
                    response.set_exception(PageError("Chromium has ended"))

    def _dispatch(self, message: dict[str, Any]) -> None:
        response = self._calls.pop(message.get("id", 0), None)
        if response is None:
            page = self._pages.get(message.get("sessionId", ""))
            if page:
                page.dispatch(message["method"], message["params"])
        elif response.done():
            return
        elif "error" in message:
            response.set_exception(PageError(message["error"]["message"]))
        else:
            response.set_result(message["result"])

    def kill(self) -> None:
        """Kill every process of Chromium, as a crash does."""
        os.killpg(self._process_group, signal.SIGKILL)

    async def close(self) -> None:
        """Close Chromium."""
        with contextlib.suppress(PageError, ConnectionError, TimeoutError):
            await self.call("Browser.close")
        self._writer.close()
        await asyncio.wait([self._listening], timeout=READY_S)
        self._listening.cancel()


class Page:
    """One tab. `console` has the log messages and exceptions of its scripts.

    `requests` has the URLs that it requested, once `Network.enable` was called.
    """

    def __init__(self, browser: Browser, session: str, target: str) -> None:
        self._browser = browser
        self._session = session
        self._target = target
        self._loaded = asyncio.Event()
        self.console: list[str] = []
        self.requests: list[str] = []

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Call a DevTools method in this tab."""
        return await self._browser.call(method, self._session, **params)

    async def open(self, url: str) -> None:
        """Navigate to a URL and wait until the page has loaded."""
        self._loaded.clear()
        navigation = await self.call("Page.navigate", url=url)
        if navigation.get("errorText"):
            raise PageError(f"{url}: {navigation['errorText']}")
        await asyncio.wait_for(self._loaded.wait(), READY_S)

    async def run(self, function: str, *arguments: Any) -> Any:
        """Call a JavaScript function in the page, await its promise, return its value (JSON)."""
        parameters = ", ".join(json.dumps(argument) for argument in arguments)
        result = await self.call(
            "Runtime.evaluate",
            expression=f"({function})({parameters})",
            awaitPromise=True,
            returnByValue=True,
            userGesture=True,
        )
        exception = result.get("exceptionDetails")
        if exception:
            description = exception.get("exception", {}).get("description")
            raise PageError("\n".join([description or exception["text"], *self.console[-20:]]))
        return result["result"].get("value")

    async def include(self, script: Path | str) -> None:
        """Run a script in the page: a file, or its text."""
        text = script.read_text() if isinstance(script, Path) else script
        await self.run(f"() => {{ {text} }}")

    async def screenshot(self, path: Path) -> None:
        """Save a screenshot of the tab as PNG."""
        screenshot = await self.call("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(screenshot["data"]))

    async def close(self) -> None:
        """Close the tab."""
        await self._browser.call("Target.closeTarget", targetId=self._target)

    def dispatch(self, method: str, params: dict[str, Any]) -> None:
        """Process an event of this tab."""
        if method == "Page.loadEventFired":
            self._loaded.set()
        elif method == "Runtime.consoleAPICalled":
            values = [str(a.get("value", a.get("description"))) for a in params["args"]]
            self.console.append(" ".join(values))
        elif method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif method == "Log.entryAdded":
            self.console.append(params["entry"]["text"])
        elif method == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self.console.append(details.get("exception", {}).get("description", details["text"]))


@contextlib.asynccontextmanager
async def chromium(
    program: str, *more_flags: str, prefix: Sequence[str] = ()
) -> AsyncIterator[Browser]:
    """Run Chromium; `prefix` is a command to run it under, such as `ip netns exec NAME`."""
    command_read, command_write = os.pipe()
    reply_read, reply_write = os.pipe()
    redirect = f'exec "$@" 3<&{command_read} 4>&{reply_write}'
    # a renderer may still write its cache during the removal
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as profile:
        flags = [*FLAGS, *more_flags, "--remote-debugging-pipe", f"--user-data-dir={profile}"]
        process = await asyncio.create_subprocess_exec(
            *("bash", "-c", redirect, "bash", *prefix, program, *flags, "about:blank"),
            pass_fds=(command_read, reply_write),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(command_read)
        os.close(reply_write)
        reader, writer = await streams(reply_read, command_write)
        browser = Browser(reader, writer, process.pid)
        try:
            yield browser
        finally:
            await browser.close()
            await ended(process)


async def streams(read_fd: int, write_fd: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=64 * 1024 * 1024)
    protocol = asyncio.StreamReaderProtocol(reader)
    await loop.connect_read_pipe(lambda: protocol, os.fdopen(read_fd, "rb"))
    transport, flow = await loop.connect_write_pipe(
        asyncio.streams.FlowControlMixin, os.fdopen(write_fd, "wb")
    )
    return reader, asyncio.StreamWriter(transport, flow, None, loop)


async def ended(process: asyncio.subprocess.Process) -> None:
    try:
        await asyncio.wait_for(process.wait(), READY_S)
    except TimeoutError:
        process.kill()
        await process.wait()
