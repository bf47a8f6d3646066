"""A WebRTC session by WHIP or WHEP: webrtcbin of GStreamer, and one HTTP request.

Debian 12: apt-get install python3-gi gir1.2-gst-plugins-bad-1.0 gstreamer1.0-plugins-base \
gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-nice
"""

import signal
import sys
import urllib.error
import urllib.parse
import urllib.request

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402 - after their versions

REQUEST_S = 10
CONNECT_S = 20

Gst.init(None)


class Session:
    """One webrtcbin named ``webrtc`` in a pipeline, and its session at the server.

    The offer is sent with all candidates once they are gathered (RFC 9725 4.2).
    """

    def __init__(self, pipeline: Gst.Pipeline, url: str, token: str | None) -> None:
        self.pipeline = pipeline
        self.webrtc = pipeline.get_by_name("webrtc")
        self._url = url
        self._token = token
        self._location: str | None = None
        self._offered = False
        self._error: str | None = None
        self._loop = GLib.MainLoop()
        self.webrtc.connect("on-negotiation-needed", self._negotiate)
        self.webrtc.connect("notify::ice-gathering-state", lambda *_: GLib.idle_add(self._offer))
        self.webrtc.connect("notify::connection-state", lambda *_: GLib.idle_add(self._connection))
        bus = pipeline.get_bus()
        bus.add_signal_watch()
        bus.connect("message::error", self._on_error)
        # webrtcbin posts no end of stream
        self._sending = set(self.webrtc.sinkpads)
        for pad in self._sending:
            pad.add_probe(Gst.PadProbeType.EVENT_DOWNSTREAM, self._on_event)

    def run(self) -> None:
        """Run until the media ends, Ctrl-C, or an error, which exits with its text."""
        for number in (signal.SIGINT, signal.SIGTERM):
            GLib.unix_signal_add(GLib.PRIORITY_HIGH, number, self._loop.quit)
        GLib.timeout_add_seconds(CONNECT_S, self._check_connected)
        self.pipeline.set_state(Gst.State.PLAYING)
        try:
            self._loop.run()
        finally:
            self.pipeline.set_state(Gst.State.NULL)
            self._end()
        if self._error is not None:
            sys.exit(f"{sys.argv[0]}: {self._error}")

    def _negotiate(self, _webrtc: Gst.Element) -> None:
        self.webrtc.emit("create-offer", None, Gst.Promise.new_with_change_func(self._created))

    def _created(self, promise: Gst.Promise) -> None:
        reply = promise.get_reply()  # owns the offer
        self.webrtc.emit("set-local-description", reply.get_value("offer"), None)

    def _offer(self) -> bool:
        """Post the offer once all candidates are in it."""
        complete = GstWebRTC.WebRTCICEGatheringState.COMPLETE
        if self._offered or self.webrtc.get_property("ice-gathering-state") != complete:
            return GLib.SOURCE_REMOVE
        self._offered = True
        offer = self.webrtc.get_property("local-description").sdp.as_text()
        try:
            with urllib.request.urlopen(
                self._request("POST", self._url, offer), None, REQUEST_S
            ) as answer:
                text = answer.read().decode()
                self._location = urllib.parse.urljoin(self._url, answer.headers["Location"])
        except urllib.error.HTTPError as refused:
            self._fail(f"{self._url}: {refused.code} {refused.reason}: {refused.read().decode()}")
        except OSError as error:
            self._fail(f"{self._url}: {error}")
        else:
            _, sdp = GstSdp.SDPMessage.new_from_text(text)
            answered = GstWebRTC.WebRTCSDPType.ANSWER
            description = GstWebRTC.WebRTCSessionDescription.new(answered, sdp)
            self.webrtc.emit("set-remote-description", description, None)
        return GLib.SOURCE_REMOVE

    def _connection(self) -> bool:
        states = GstWebRTC.WebRTCPeerConnectionState
        state = self.webrtc.get_property("connection-state")
        if state == states.CONNECTED:
            print("connected", file=sys.stderr, flush=True)
        elif state == states.FAILED:
            self._fail("ICE or DTLS failed: is the media port of the server open?")
        return GLib.SOURCE_REMOVE

    def _check_connected(self) -> bool:
        states = GstWebRTC.WebRTCPeerConnectionState
        if self.webrtc.get_property("connection-state") != states.CONNECTED:
            self._fail(f"not connected after {CONNECT_S} s")
        return GLib.SOURCE_REMOVE

    def _on_event(self, pad: Gst.Pad, probe: Gst.PadProbeInfo) -> Gst.PadProbeReturn:
        """End with the last of the tracks that are sent."""
        if probe.get_event().type == Gst.EventType.EOS:
            self._sending.discard(pad)
            if not self._sending:
                GLib.idle_add(self._loop.quit)
        return Gst.PadProbeReturn.OK

    def _on_error(self, _bus: Gst.Bus, message: Gst.Message) -> None:
        error, _ = message.parse_error()
        self._fail(f"{message.src.get_name()}: {error.message}")

    def _fail(self, text: str) -> None:
        self._error = self._error or text
        self._loop.quit()

    def _end(self) -> None:
        """End the session at the server (RFC 9725 4.2)."""
        if self._location is None:
            return
        try:
            urllib.request.urlopen(self._request("DELETE", self._location), None, REQUEST_S).close()
        except OSError as error:
            print(f"{self._location}: {error}", file=sys.stderr)

    def _request(self, method: str, url: str, sdp: str | None = None) -> urllib.request.Request:
        headers = {"Content-Type": "application/sdp"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        data = None if sdp is None else sdp.encode()
        return urllib.request.Request(url, data, headers, method=method)


def parsed(text: str) -> Gst.Pipeline:
    """Return the pipeline of a text, as of gst-launch-1.0; exit with what is wrong with it."""
    try:
        found = Gst.parse_launch(text)
    except GLib.Error as error:
        sys.exit(f"{sys.argv[0]}: {error.message}\n  {text}")
    if isinstance(found, Gst.Pipeline):
        return found
    pipeline = Gst.Pipeline()  # of a single element
    pipeline.add(found)
    return pipeline
