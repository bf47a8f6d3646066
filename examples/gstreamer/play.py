"""Play what a room publishes by WHEP, with GStreamer.

    python3 examples/gstreamer/play.py http://127.0.0.1:7080/whep/demo

The sinks are pipelines: ``--video-sink 'x264enc ! matroskamux ! filesink location=out.mkv'``
records. Ctrl-C ends the session. ``session.py`` beside this file has what GStreamer needs.
"""

import argparse
import sys

from session import Gst, GstWebRTC, Session, parsed

CAPS = {
    "vp8": "application/x-rtp,media=video,encoding-name=VP8,payload=96,clock-rate=90000",
    "h264": "application/x-rtp,media=video,encoding-name=H264,payload=96,clock-rate=90000,"
    "packetization-mode=(string)1,profile-level-id=(string)42e01f",
    "opus": "application/x-rtp,media=audio,encoding-name=OPUS,payload=97,clock-rate=48000,"
    "encoding-params=(string)2",
}
DECODERS = {
    "vp8": "rtpvp8depay ! vp8dec",
    "h264": "rtph264depay ! h264parse ! openh264dec",
}
VIDEO = "queue ! {decoder} ! videoconvert ! {sink}"
AUDIO = "queue ! rtpopusdepay ! opusdec ! audioconvert ! audioresample ! {sink}"


def main() -> None:
    """Play until Ctrl-C, or the end of the publication."""
    parser = argparse.ArgumentParser(description="Play by WHEP, with GStreamer.")
    parser.add_argument("url", help="the WHEP endpoint, such as http://127.0.0.1:7080/whep/demo")
    parser.add_argument("--codec", choices=("vp8", "h264"), default="vp8")
    parser.add_argument("--no-audio", action="store_true", help="video alone")
    parser.add_argument("--video-sink", default="autovideosink")
    parser.add_argument("--audio-sink", default="autoaudiosink")
    parser.add_argument("--token", help="bearer token, where the server has API keys")
    arguments = parser.parse_args()
    sinks = {
        "video": VIDEO.format(decoder=DECODERS[arguments.codec], sink=arguments.video_sink),
        "audio": AUDIO.format(sink=arguments.audio_sink),
    }
    for sink in sinks.values():
        parsed(sink)  # a mistake is named before the session begins
    session = Session(
        parsed("webrtcbin name=webrtc bundle-policy=max-bundle latency=100"),
        arguments.url,
        arguments.token,
    )
    receive_only = GstWebRTC.WebRTCRTPTransceiverDirection.RECVONLY
    for codec in (arguments.codec, *(() if arguments.no_audio else ("opus",))):
        caps = Gst.Caps.from_string(CAPS[codec])
        session.webrtc.emit("add-transceiver", receive_only, caps)
    session.webrtc.connect("pad-added", play, session.pipeline, sinks)
    session.run()


def play(_webrtc: Gst.Element, pad: Gst.Pad, pipeline: Gst.Pipeline, sinks: dict[str, str]) -> None:
    """Decode and show a track that arrives."""
    if pad.get_direction() != Gst.PadDirection.SRC:
        return
    media = pad.get_current_caps().get_structure(0).get_string("media")
    sink = Gst.parse_bin_from_description(sinks[media], True)
    pipeline.add(sink)
    sink.sync_state_with_parent()
    if pad.link(sink.get_static_pad("sink")) != Gst.PadLinkReturn.OK:
        sys.exit(f"cannot play {media}")
    print(f"playing {media}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
