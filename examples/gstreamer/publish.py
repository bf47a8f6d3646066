"""Publish a test video, a camera or a file by WHIP, with GStreamer.

    python3 examples/gstreamer/publish.py http://127.0.0.1:7080/whip/demo
    python3 examples/gstreamer/publish.py http://127.0.0.1:7080/whip/demo --camera /dev/video0
    python3 examples/gstreamer/publish.py http://127.0.0.1:7080/whip/demo --file talk.webm

Ctrl-C ends the session. ``session.py`` beside this file has what GStreamer needs.
"""

import argparse
from pathlib import Path

from session import Session, parsed

# Each source is raw video or audio of any form; a name before a dot is an element of its own.
TEST = (
    "videotestsrc is-live=true pattern=ball name=video_source"
    " audiotestsrc is-live=true wave=sine freq=440 name=audio_source"
)
CAMERA = "v4l2src device={device} name=video_source autoaudiosrc name=audio_source"
FILE = "filesrc location={file} ! decodebin name=media"

# clocksync sends a file at its own speed; a viewer that joins waits for the next keyframe: 2 s
VIDEO = (
    "{source} ! clocksync ! videoconvert ! videoscale add-borders=true ! videorate"
    " ! video/x-raw,width={width},height={height},framerate=30/1 ! queue"
    " ! vp8enc deadline=1 cpu-used=8 keyframe-max-dist=60 target-bitrate={bitrate}"
    " ! rtpvp8pay pt=96 picture-id-mode=2"
    " ! application/x-rtp,media=video,encoding-name=VP8,payload=96 ! webrtc."
)
AUDIO = (
    "{source} ! clocksync ! audioconvert ! audioresample ! queue"
    " ! opusenc ! rtpopuspay pt=97"
    " ! application/x-rtp,media=audio,encoding-name=OPUS,payload=97 ! webrtc."
)


def pipeline(arguments: argparse.Namespace) -> str:
    """Return the pipeline, as for gst-launch-1.0."""
    video, audio = "video_source.", "audio_source."
    if arguments.file is not None:
        sources = FILE.format(file=quoted(arguments.file))
        video = audio = "media."
    elif arguments.camera is not None:
        sources = CAMERA.format(device=quoted(arguments.camera))
    else:
        sources = TEST
    width, height = arguments.size.split("x")
    parts = [
        "webrtcbin name=webrtc bundle-policy=max-bundle",
        sources,
        VIDEO.format(source=video, width=width, height=height, bitrate=arguments.bitrate),
    ]
    if not arguments.no_audio:
        parts.append(AUDIO.format(source=audio))
    return "  ".join(parts)


def quoted(path: Path) -> str:
    """Return a path as a value in a pipeline."""
    text = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def main() -> None:
    """Publish until Ctrl-C, or the end of the file."""
    parser = argparse.ArgumentParser(description="Publish by WHIP, with GStreamer.")
    parser.add_argument("url", help="the WHIP endpoint, such as http://127.0.0.1:7080/whip/demo")
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--camera", type=Path, metavar="DEVICE", help="such as /dev/video0")
    source.add_argument("--file", type=Path, help="any file that GStreamer decodes")
    parser.add_argument("--no-audio", action="store_true", help="video alone")
    parser.add_argument("--size", default="640x360", metavar="WxH", help="of the video (640x360)")
    parser.add_argument("--bitrate", type=int, default=800_000, help="of the video, in bit/s")
    parser.add_argument("--token", help="bearer token, where the server has API keys")
    parser.add_argument("--print", action="store_true", help="print the pipeline, and exit")
    arguments = parser.parse_args()
    if arguments.print:
        print(pipeline(arguments))
        return
    if arguments.file is not None and not arguments.file.is_file():
        parser.error(f"--file {arguments.file}: there is no such file")
    Session(parsed(pipeline(arguments)), arguments.url, arguments.token).run()


if __name__ == "__main__":
    main()
