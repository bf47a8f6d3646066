"""Draw and encode the packaged clips again: `python -m sfukit.media`."""

import sys

from sfukit.media import catalog, encode, ivf


def main() -> None:
    catalog.CLIPS.mkdir(exist_ok=True)
    for codec in catalog.SHIPPED_VIDEO_CODECS:
        for encoding in catalog.SIMULCAST:
            ivf.write(catalog.video_clip(codec, encoding), encode.encode_video(codec, encoding))
    ivf.write(catalog.audio_clip(), encode.encode_audio())
    for path in sorted(catalog.CLIPS.glob("*.ivf")):
        sys.stdout.write(f"{path.name:18} {path.stat().st_size / 1024:7.0f} KiB\n")


if __name__ == "__main__":
    main()
