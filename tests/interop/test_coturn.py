"""``nat-probe`` against coturn, a STUN server with two addresses that nobody here wrote."""

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


async def test_the_whole_behaviour_is_told_by_its_first_address(tmp_path: Path) -> None:
    with coturn(tmp_path, *USER, second_host="127.0.0.2") as server:
        report = await run("127.0.0.1", server.port)
    assert (report.nat.mapping, report.nat.filtering) == ("EIM", "EIF")
    assert report.servers[0].rfc5780
    assert report.exit_code == 0


async def test_asked_at_its_second_address_it_names_itself_and_is_not_believed(
    tmp_path: Path,
) -> None:
    with coturn(tmp_path, *USER, second_host="127.0.0.2") as server:
        report = await run("127.0.0.2", server.port)
    assert report.servers[0].quirks == ["other_address_is_its_own"]
    assert report.nat.filtering == "unknown"
