//! One viewer behind its own bottleneck.

use serde_json::{Value, json};

use super::call::{Call, Published, Viewer, narrow, wide, with};
use super::figures::Figures;

/// A viewer of a publisher who has sent for two seconds.
pub fn viewed(audio: bool, up: Value, down: Value) -> (Call, Viewer, Published) {
    viewed_in(Call::new(), audio, up, down)
}

/// The same in a room.
pub fn viewed_in(mut call: Call, audio: bool, up: Value, down: Value) -> (Call, Viewer, Published) {
    let publisher = call.join(Value::Null, Value::Null);
    let camera = call.publish(publisher, audio);
    call.run(2_000);
    let viewer = call.view(&[camera], up, down);
    (call, viewer, camera)
}

/// Run through capacities in kb/s, each for some ms.
pub fn run_steps(call: &mut Call, viewers: &[Viewer], steps: &[(u64, u64)], flows: u64) {
    for (kbps, millis) in steps {
        call.set_capacity(viewers, kbps * 1_000, (kbps * 1_000 / flows) as f64);
        call.run(*millis);
    }
}

fn steady(kbps: u64, millis: u64) -> Figures {
    let (mut call, viewer, _) = viewed(true, wide(), narrow(kbps * 1_000));
    run_steps(
        &mut call,
        std::slice::from_ref(&viewer),
        &[(kbps, millis)],
        1,
    );
    call.figures(&viewer, true)
}

#[test]
fn a_link_of_1_mbps_from_the_start() {
    let figures = steady(1_000, 20_000);
    let seen = &figures.seen[0];
    let settled = seen.settled_ms(seen.first_ms());
    figures.print("1m", seen.first_ms() + settled);
    assert!(settled <= 2_000, "{settled}");
    assert!(seen.ideal_share(seen.first_ms() + settled) >= 0.95);
    assert!(figures.queue_p95_ms < 45.0, "{figures}");
    assert!(figures.lost < 0.003, "{figures}");
    assert_eq!(figures.freeze_est, 0.0);
}

#[test]
fn a_link_of_5_mbps_from_the_start() {
    let figures = steady(5_000, 10_000);
    let seen = &figures.seen[0];
    let settled = seen.settled_ms(seen.first_ms());
    figures.print("5m", seen.first_ms() + settled);
    assert!(settled <= 1_000, "{settled}");
    assert_eq!(seen.ideal_share(seen.first_ms() + settled), 1.0);
}

/// RFC 8867 5.1; the aim is 3 s after each rise, 1 s after the drop, 90 % of the time, 0.3 % frozen.
fn variable(delay_ms: u64) -> Figures {
    let delay = json!({"delay_ms": delay_ms, "jitter_ms": 30.0});
    let down = with(narrow(1_000_000), delay.clone());
    let up = json!({"delay_ms": delay_ms});
    let (mut call, viewer, _) = viewed(false, up, down);
    call.run(3_000);
    call.measure();
    let start_ms = call.ms(call.net.now);
    let steps = [
        (1_000, 40_000),
        (2_500, 20_000),
        (600, 20_000),
        (1_000, 20_000),
    ];
    run_steps(&mut call, std::slice::from_ref(&viewer), &steps, 1);
    let figures = call.figures(&viewer, false);
    figures.print(&format!("5.1 {delay_ms} ms"), start_ms);
    let seen = &figures.seen[0];
    let (rise, drop) = seen.slowest_ms();
    assert!(rise <= 3_000, "{rise}");
    assert!(drop <= 1_250, "{drop}");
    assert!(seen.ideal_share(start_ms) >= 0.82);
    figures
}

#[test]
fn capacity_steps_with_50_ms_of_delay() {
    let figures = variable(50);
    assert!(figures.queue_p95_ms < 80.0, "{figures}");
    assert!(figures.freeze_est < 0.01, "{figures}");
}

#[test]
fn capacity_steps_with_100_ms_of_delay() {
    let figures = variable(100);
    assert!(figures.queue_p95_ms < 80.0, "{figures}");
    assert!(figures.freeze_est < 0.01, "{figures}");
}

/// RFC 8867 5.3, with the congestion of the feedback path by two publishers of 500 kb/s or without.
fn feedback_path(is_congested: bool) -> Figures {
    let shared = json!({"bottleneck": 2});
    let mut up = wide();
    if is_congested {
        up = with(narrow(2_000_000), shared.clone());
    }
    let down = with(narrow(2_000_000), json!({"jitter_ms": 30.0}));
    let (mut call, viewer, _) = viewed(false, up.clone(), down);
    let mut others = Vec::new();
    if is_congested {
        for _ in 0..2 {
            let bot = call.join(up.clone(), Value::Null);
            let video = call.publish_video(bot, &[1]);
            call.subscribe(1, video, "VP8", json!({"kind": "auto"}));
            others.push(bot);
        }
    }
    call.run(3_000);
    call.measure();
    let start_ms = call.ms(call.net.now);
    // Both paths change at these seconds: 20, 35, 40, 60, 70.
    let forward = [2_000, 1_000, 1_000, 500, 2_000, 2_000];
    let backward = [2_000, 2_000, 800, 800, 800, 2_000];
    let seconds = [20, 15, 5, 20, 10, 30];
    for nth in 0..6 {
        let (kbps, back_kbps) = (forward[nth], backward[nth]);
        let changed = with(
            up.clone(),
            json!({"rate_bps": is_congested.then_some(back_kbps * 1_000)}),
        );
        let now_up = if is_congested { changed } else { up.clone() };
        let rate = json!({"rate_bps": kbps * 1_000});
        call.set_network(&viewer, now_up.clone(), with(viewer.down.clone(), rate));
        for bot in &others {
            let command = json!({"type": "set_network", "bot": bot, "net_up": now_up,
                "net_down": null});
            call.net.bot_command(command);
        }
        call.note_share((kbps * 1_000) as f64);
        call.run(seconds[nth] * 1_000);
    }
    let figures = call.figures(&viewer, false);
    figures.print("5.3", start_ms);
    figures
}

#[test]
fn a_congested_feedback_path() {
    let clean = feedback_path(false);
    let congested = feedback_path(true);
    let ratio = congested.delivered_bytes as f64 / clean.delivered_bytes as f64;
    assert!(ratio >= 0.9, "{ratio}: {congested} / {clean}");
}
