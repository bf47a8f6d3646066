"""A decoder in a process of its own: its output, its failure, its end with the run."""

import asyncio
import os
from pathlib import Path

import pytest

from sfukit.loadgen.stopping import StoppedError, unless_stopped
from sfukit.media import decoder_process

pytest.importorskip("av")

READER = "sfukit.media.read_barcodes"


async def test_the_output_of_a_module_is_returned(tmp_path: Path) -> None:
    (tmp_path / "frames").touch()
    found = await decoder_process.run(READER, (str(tmp_path / "frames"), "VP80"))
    assert found == (b"[]", "")


async def test_a_failure_is_named_with_its_exit_code(tmp_path: Path) -> None:
    found = await decoder_process.run(READER, (str(tmp_path / "absent"), "VP80"))
    assert found == (None, "the decoder ended with 1")


async def test_ctrl_c_ends_the_process(tmp_path: Path) -> None:
    frames, stop = tmp_path / "frames", asyncio.Event()
    os.mkfifo(frames)
    running = asyncio.ensure_future(
        unless_stopped(decoder_process.run(READER, (str(frames), "VP80")), stop)
    )
    # opens once the process has opened it to read
    writer = await asyncio.to_thread(frames.open, "wb", buffering=0)
    with writer:
        stop.set()
        with pytest.raises(StoppedError):
            await running
        with pytest.raises(BrokenPipeError):
            writer.write(b"x")
