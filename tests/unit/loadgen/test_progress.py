"""The progress of several shards in one."""

from sfukit.loadgen.timeline import Progress, summed


def test_counts_add_up_and_the_shard_furthest_back_gives_the_phase() -> None:
    ahead = Progress("measuring", 12.0, 20.0, 10, 10, 0, 80, 80, (), 2, 3)
    behind = Progress("ramp", 11.0, 21.0, 9, 7, 1, 50, 72, (), 1, 3)
    assert summed([ahead, behind]) == Progress("ramp", 11.0, 21.0, 19, 17, 1, 130, 152, (), 1, 3)
