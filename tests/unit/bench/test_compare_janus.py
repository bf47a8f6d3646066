"""What the table of two servers is made of: drops at sockets, spreads."""

import os
import socket

from tools.compare_janus import SocketDrops, _spread


def test_datagrams_dropped_at_the_sockets_of_a_process_are_counted() -> None:
    drops = SocketDrops(os.getpid())
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        receiver.bind(("127.0.0.1", 0))
        drops.look()
        before = drops.total
        for _ in range(100):
            sender.sendto(bytes(1_000), receiver.getsockname())
        drops.look()
    counted = drops.total - before
    assert 50 < counted < 100
    drops.look()
    assert drops.total - before == counted  # of a socket that was closed


def test_a_spread_is_the_median_with_its_range() -> None:
    assert _spread([3.0, 1.0, 2.0], "{:.1f} us") == "2.0 us (1.0 - 3.0)"
    assert _spread([1.0, 1.0], "{:.0f} ms") == "1 ms"
    assert _spread([None], "{:.0f} ms") == "unknown"
