"""What the Rust benches print is read line by line; what they did not print is not met."""

from pathlib import Path

from tools.bench import cargo_figures
from tools.bench.figure import Figure

RECORDED = Path(__file__).parent / "recorded"


def recorded(bench: str) -> str:
    return (RECORDED / f"{bench}.txt").read_text()


def named(figures: list[Figure]) -> dict[str, Figure]:
    return {figure.name: figure for figure in figures}


def test_the_hot_path_is_judged_by_its_slowest_video_and_its_most_allocations() -> None:
    figures = named(cargo_figures.hot_path(recorded("hot_path")))
    assert figures["video to 240, frames paced, ns per packet"].value == 377
    assert figures["audio, 10 to 30, at once, ns per packet"].value == 265
    slowest = figures["slowest video, ns per packet"]
    assert (slowest.value, slowest.met) == (386, False)
    assert figures["most allocations per packet"].met


def test_one_allocation_is_one_too_many() -> None:
    printed = recorded("hot_path").replace("0.0000 allocations, 1.0", "0.0003 allocations, 1.0")
    most = named(cargo_figures.hot_path(printed))["most allocations per packet"]
    assert (most.value, most.met) == (0.0003, False)


def test_a_bench_that_printed_nothing_met_nothing() -> None:
    assert [figure.met for figure in cargo_figures.hot_path("")] == [False, False]


def test_the_floors_are_told_and_not_judged() -> None:
    sending = named(cargo_figures.send_floor(recorded("send_floor")))
    assert sending["runs of 3, ns per datagram"].value == 1849
    assert len(sending) == 7
    sealing = named(cargo_figures.srtp(recorded("srtp")))
    assert len(sealing) == 8
    assert sealing["SRTP_AEAD_AES_128_GCM 1200 bytes, seal ns"].unit == "ns"
    shaking = named(cargo_figures.dtls(recorded("dtls")))
    assert {
        "idle association, KB",
        "ECDSA client, handshakes per second of the server's CPU",
    } < set(shaking)
    assert all(
        figure.met is None for group in (sending, sealing, shaking) for figure in group.values()
    )
