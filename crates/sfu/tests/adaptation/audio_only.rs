//! A link that carries audio and no video.

use serde_json::json;

use super::call::{Call, Viewer, narrow, wide};
use super::one::{run_steps, viewed};
use super::seeds::over_seeds;

/// Packets of audio that a viewer received and lost so far.
fn audio(call: &mut Call, viewer: &Viewer) -> (u64, u64) {
    let now = call.net.now;
    let figures = call.net.bots.figures(now, true);
    let own = figures.streams.iter().filter(|it| it.bot == viewer.bot);
    let audio = own.filter(|it| !viewer.videos.contains(&it.stream));
    audio.fold((0, 0), |sum, it| {
        (sum.0 + it.packets_received, sum.1 + it.packets_lost_raw)
    })
}

/// Whether the video of a viewer is paused, and why.
fn state(call: &mut Call, viewer: &Viewer) -> (bool, String) {
    let stats = call
        .net
        .server_command(json!({"type": "room_stats", "room": 1}));
    let mut subscriptions = stats["subscriptions"].as_array().expect("a list").iter();
    let video = subscriptions.find(|it| it["subscription"] == viewer.videos[0]);
    let video = video.expect("subscribed");
    let reason = video["last_reason"].as_str().expect("a reason");
    (video["paused"] == true, reason.to_owned())
}

/// Until then the server cannot know that the link has become narrower: the packets behind those
/// that were dropped first wait for 300 ms in the queue.
const UNKNOWN_MS: u64 = 1_000;

fn paused_and_resumed(seed: u64) {
    let (mut call, viewer, _) = viewed(seed, true, wide(), narrow(1_000_000));
    let viewers = std::slice::from_ref(&viewer);
    run_steps(&mut call, viewers, &[(1_000, 8_000), (100, UNKNOWN_MS)], 1);
    let before = audio(&mut call, &viewer);
    run_steps(&mut call, viewers, &[(100, 25_000)], 1);
    let after = audio(&mut call, &viewer);
    let (received, lost) = (after.0 - before.0, after.1 - before.1);
    assert!(received > 600, "seed {seed}: {received}");
    assert_eq!(lost, 0, "seed {seed}: of {received}");
    assert_eq!(state(&mut call, &viewer), (true, "bandwidth".into()));
    let risen_ms = call.ms(call.net.now);
    run_steps(&mut call, viewers, &[(1_000, 10_000)], 1);
    assert!(!state(&mut call, &viewer).0);
    let figures = call.figures(&viewer, true);
    let settled = figures.seen[0].settled_ms(risen_ms);
    assert!(settled <= 3_000, "seed {seed}: {settled}");
}

#[test]
fn video_is_paused_where_only_audio_fits_and_returns() {
    over_seeds(paused_and_resumed);
}
