"""Text frames as another implementation reads them."""

from websockets.frames import Opcode
from websockets.streams import StreamReader

from sfukit.server.text_frames import text_frames


def test_frames_of_every_length_are_read_by_another_implementation() -> None:
    from websockets.frames import Frame

    messages = [b"x" * length for length in (0, 1, 125, 126, 127, 65_535, 65_536, 100_000)]
    stream = StreamReader()
    stream.feed_data(text_frames(messages))
    stream.feed_eof()
    read = []
    for _ in messages:
        parsing = Frame.parse(stream.read_exact, mask=False)
        try:
            next(parsing)
        except StopIteration as end:
            read.append(end.value)
    assert [frame.data for frame in read] == messages
    assert {(frame.opcode, frame.fin) for frame in read} == {(Opcode.TEXT, True)}
    assert text_frames([]) == b""
