"""Demo page, health checks, metrics and /debug/rooms."""

import pytest
from aiohttp.test_utils import TestServer
from prometheus_client.parser import text_string_to_metric_families

from sfukit.server.app import build_metrics_app
from sfukit.server.counters import LATENCY_BOUNDS_S, ServerCounters
from sfukit.server.native_messages import OpenTransport, RoomStats, TransportState
from tests.unit.server.stage import Stage, StageMaker

NAMES = {
    "sfukit_rtp_packets",
    "sfukit_rtp_bytes",
    "sfukit_rtp_packets_lost",
    "sfukit_rtcp_feedback",
    "sfukit_forward_latency_seconds",
    "sfukit_join_duration_seconds",
    "sfukit_ice_sessions",
    "sfukit_dtls_handshakes",
    "sfukit_rooms",
    "sfukit_participants",
    "sfukit_layer_switches",
    "sfukit_signal_queue_dropped",
    "sfukit_node_state",
    "sfukit_engine_up",
    "sfukit_event_loop_lag_seconds",
    "sfukit_asyncio_tasks",
    "sfukit_build_info",
}


async def test_the_metrics_have_their_names_and_no_room_in_a_label(stage: Stage) -> None:
    await stage.joined("ann")
    async with stage.session.get(stage.url("/metrics")) as response:
        assert response.content_type == "text/plain"
        text = await response.text()
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert {name.removesuffix("_info") for name in NAMES} <= {
        name.removesuffix("_info") for name in families
    }
    labels = {key for one in families.values() for sample in one.samples for key in sample.labels}
    assert labels <= {
        "direction",
        "kind",
        "type",
        "result",
        "reason",
        "state",
        "engine",
        "le",
        "version",
    }
    assert '"ann"' not in text
    values = {sample.name: sample.value for sample in families["sfukit_rooms"].samples}
    assert values == {"sfukit_rooms": 1.0}


async def test_the_engines_counters_are_read_at_each_scrape(stage: Stage) -> None:
    stage.engine.snapshot = ServerCounters(
        packets_received=10,
        packets_sent=100,
        audio_packets_sent=30,
        retransmitted_packets_sent=5,
        nacks_received=4,
        keyframe_requests_rate_limited=6,
        packets_over_bitrate=7,
        packets_over_mtu=8,
        forward_latency_us=[1] * (len(LATENCY_BOUNDS_S) + 1),
        forward_latency_sum_us=1_500_000,
        socket_drops=3,
    )
    text = stage.context.metrics.exposition().decode()
    assert 'sfukit_rtp_packets_total{direction="outbound",kind="video"} 65.0' in text
    assert 'sfukit_rtcp_feedback_total{direction="inbound",type="nack"} 4.0' in text
    assert 'sfukit_forward_latency_seconds_bucket{le="+Inf"} 11.0' in text
    assert "sfukit_forward_latency_seconds_sum 1.5" in text
    assert 'sfukit_dropped_total{reason="socket_full"} 3.0' in text
    assert 'sfukit_rtcp_feedback_total{direction="inbound",type="pli_rate_limited"} 6.0' in text
    assert 'sfukit_dropped_total{reason="over_bitrate"} 7.0' in text
    assert 'sfukit_dropped_total{reason="over_mtu"} 8.0' in text


async def test_the_page_is_served_with_a_strict_policy(stage: Stage) -> None:
    async with stage.session.get(stage.url("/")) as response:
        assert (response.status, response.content_type) == (200, "text/html")
        assert "default-src 'self'" in response.headers["Content-Security-Policy"]
        assert response.headers["Referrer-Policy"] == "no-referrer"
        page = await response.text()
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page


@pytest.mark.parametrize(
    "path",
    ["/web/nothing.js", "/web/..%2fapp.py", "/web/%2e%2e%2fapp.py", "/web/app.py", "/wibble"],
)
async def test_nothing_else_is_served(stage: Stage, path: str) -> None:
    from yarl import URL

    url = URL(stage.url("/")[:-1] + path, encoded=True)
    async with stage.session.get(url) as response:
        assert response.status == 404
        assert "traceparent" in response.headers


async def test_info_has_name_version_and_protocols(stage: Stage) -> None:
    async with stage.session.get(stage.url("/info")) as response:
        assert (await response.json())["server"] == "sfukit"
    async with stage.session.get(stage.url("/readyz")) as response:
        assert response.status == 200


async def test_debug_rooms_shows_rooms_streams_and_reasons(stage: Stage) -> None:
    await stage.joined("ann")
    transport = stage.engine.commands_of(OpenTransport)[-1].transport
    stage.engine.emit(TransportState(transport, "connected", srtp_profile="AEAD_AES_128_GCM"))
    await stage.session.post(
        stage.url("/whep/demo"),
        data=(await viewer_offer()),
        headers={"Content-Type": "application/sdp"},
    )
    async with stage.session.get(stage.url("/debug/rooms")) as response:
        room = (await response.json())["rooms"][0]
    ann = room["participants"][0]
    assert (room["state"], ann["uid"], ann["protocol"]) == ("active", "ann", "websocket")
    assert ann["transports"]["publish"]["srtp_profile"] == "AEAD_AES_128_GCM"
    assert [entry["codec"] for entry in ann["publications"]] == ["opus", "VP8"]
    viewer = room["viewers"][0]
    assert viewer["publisher"] == "ann"
    assert viewer["subscriptions"][1]["last_reason"] == "requested"


async def test_one_room_is_shown_with_the_engines_statistics(stage: Stage) -> None:
    await stage.joined("ann")
    stage.engine.results[RoomStats] = b'{"publications": [{"publication": 1, "bitrate_bps": 9}]}'
    async with stage.session.get(stage.url("/debug/rooms/demo")) as response:
        room = await response.json()
    assert room["figures"]["publications"] == [{"publication": 1, "bitrate_bps": 9}]
    async with stage.session.get(stage.url("/debug/rooms/nowhere")) as response:
        assert response.status == 404


async def test_metrics_are_written_at_most_twice_a_second(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics = stage.context.metrics
    written = iter(range(100))
    monkeypatch.setattr(metrics, "exposition", lambda: b"%d" % next(written))
    times_s = (10.0, 10.1, 10.49, 10.5, 10.9, 12.0)
    found = [metrics.cached_exposition(now_s) for now_s in times_s]
    assert found == [b"0", b"0", b"0", b"1", b"1", b"2"]


async def test_the_metrics_may_require_a_token(make_stage: StageMaker) -> None:
    stage = await make_stage(metrics_token="a token")
    for bearer, status in ((None, 401), ("another", 401), ("ä", 401), ("a token", 200)):
        headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
        async with stage.session.get(stage.url("/metrics"), headers=headers) as response:
            assert response.status == status


async def test_the_metrics_listener_has_metrics_and_health_checks_only(
    make_stage: StageMaker,
) -> None:
    stage = await make_stage(metrics_http="127.0.0.1:0")
    async with stage.session.get(stage.url("/metrics")) as response:
        assert response.status == 404
    async with TestServer(build_metrics_app(stage.context)) as apart:
        for path, status in (
            ("/metrics", 200),
            ("/readyz", 200),
            ("/livez", 200),
            ("/debug/rooms", 404),
            ("/ws", 404),
            ("/whip/demo", 404),
            ("/", 404),
        ):
            headers = {"Host": "prometheus.example"}
            async with stage.session.get(apart.make_url(path), headers=headers) as response:
                assert (path, response.status) == (path, status)


async def viewer_offer() -> str:
    from tests.unit.server.stage import offer_text

    return offer_text("chromium-viewer-offer")
