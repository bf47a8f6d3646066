"""Read the barcodes of a received stream: ``python -m sfukit.media.read_barcodes FRAMES CODEC``.

It runs in a process of its own after the run: decoders take a core, and the bytes are those of a
server. FRAMES is the file of frames (`spool`), CODEC the fourcc of the clips. Standard output has a
`ReadFrame` for each decoded frame, as a JSON list.
"""

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import av
import msgspec

from sfukit.media import barcode, decode
from sfukit.media.compare import one_frame_decoder
from sfukit.media.spool import ReadFrame, SpooledFrame, frames


def read(received: Iterable[SpooledFrame], fourcc: str) -> Iterator[ReadFrame]:
    """Decode the frames of a stream, and read their barcodes; refused frames are left out."""
    decoder = one_frame_decoder(fourcc)
    for frame in received:
        if frame.after_drop:
            decoder = one_frame_decoder(fourcc)
        try:
            # an empty packet would end the decoder
            decoded = decoder.decode(av.Packet(frame.payload)) if frame.payload else []
        except av.error.FFmpegError:
            decoded = []
        if decoded:
            luma = decode.luma(decode.raw_frame(decoded[-1]))
            number = barcode.read(luma)
            yield ReadFrame(frame.completed_ns, number, luma.shape[0], frame.keyframe)


def main(arguments: Sequence[str]) -> None:
    path, fourcc = arguments
    sys.stdout.buffer.write(msgspec.json.encode(list(read(frames(Path(path)), fourcc))))


if __name__ == "__main__":
    main(sys.argv[1:])
