"""``nat-probe`` against coturn, an independent STUN server with two addresses."""

from pathlib import Path

from sfukit.probe.nat.options import Options, chosen_tests
from sfukit.probe.nat.report import NatReport
from sfukit.probe.nat.run import probe
from sfukit.probe.resolve import Endpoint
from tests.interop.coturn import USER, coturn


async def run(ip: str, port: int) -> NatReport:
    options = Options(
        servers=[Endpoint(ip, port)], tests=chosen_tests("mapping,filtering,frag", "default")
    )
    return await probe(options, lambda _text: None)


async def test_mapping_and_filtering_by_the_first_address(tmp_path: Path) -> None:
    with coturn(tmp_path, *USER, second_host="127.0.0.2") as server:
        report = await run("127.0.0.1", server.port)
    assert (report.nat.mapping, report.nat.filtering) == ("EIM", "EIF")
    assert report.servers[0].rfc5780
    assert report.exit_code == 0


async def test_other_address_of_the_second_address_is_rejected(
    tmp_path: Path,
) -> None:
    with coturn(tmp_path, *USER, second_host="127.0.0.2") as server:
        report = await run("127.0.0.2", server.port)
    assert report.servers[0].quirks == ["other_address_is_its_own"]
    assert report.nat.filtering == "unknown"
