//! One viewer behind its own bottleneck.

use serde_json::{Value, json};

use super::call::{Call, Published, Viewer, narrow, wide, with};
use super::figures::Figures;
use super::seeds::{mean, most, over_seeds};

/// A viewer of a publisher who has sent for two seconds.
pub fn viewed(seed: u64, audio: bool, up: Value, down: Value) -> (Call, Viewer, Published) {
    let mut call = Call::new(seed);
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

/// Figures of one run.
struct Run {
    figures: Figures,
    /// Of the time in the ideal encoding.
    ideal: f64,
    /// Time to the ideal encoding: the first one; after a rise, after a drop.
    settled_ms: f64,
    rise_ms: f64,
    drop_ms: f64,
}

impl Run {
    fn new(case: &str, figures: Figures, from_ms: u64) -> Self {
        figures.print(case, from_ms);
        let seen = &figures.seen[0];
        let (rise_ms, drop_ms) = seen.slowest_ms();
        Self {
            ideal: seen.ideal_share(from_ms),
            settled_ms: seen.settled_ms(seen.first_ms()) as f64,
            rise_ms: rise_ms as f64,
            drop_ms: drop_ms as f64,
            figures,
        }
    }
}

fn steady(seed: u64, kbps: u64, millis: u64) -> Run {
    let (mut call, viewer, _) = viewed(seed, true, wide(), narrow(kbps * 1_000));
    let steps = [(kbps, millis)];
    run_steps(&mut call, std::slice::from_ref(&viewer), &steps, 1);
    let figures = call.figures(&viewer, true);
    let seen = &figures.seen[0];
    let from_ms = seen.first_ms() + seen.settled_ms(seen.first_ms());
    Run::new(&format!("{kbps} kb/s"), figures, from_ms)
}

#[test]
fn a_link_of_1_mbps_from_the_start() {
    let runs = over_seeds(|seed| steady(seed, 1_000, 20_000));
    let settled_ms = most(&runs, |it| it.settled_ms);
    assert!(settled_ms <= 2_000.0, "{settled_ms}");
    for run in &runs {
        assert!(run.ideal >= 0.95, "{}", run.ideal);
        assert!(run.figures.queue_p95_ms < 45.0, "{}", run.figures);
        assert!(run.figures.lost < 0.003, "{}", run.figures);
        assert_eq!(run.figures.freeze_est, 0.0);
    }
}

#[test]
fn a_link_of_5_mbps_from_the_start() {
    let runs = over_seeds(|seed| steady(seed, 5_000, 10_000));
    let settled_ms = most(&runs, |it| it.settled_ms);
    assert!(settled_ms <= 1_000.0, "{settled_ms}");
    assert!(runs.iter().all(|it| it.ideal == 1.0));
}

/// RFC 8867 5.1; the aim is 3 s after each rise, 1 s after the drop, 90 % of the time, 0.3 % frozen.
fn variable(seed: u64, delay_ms: u64) -> Run {
    let delay = json!({"delay_ms": delay_ms, "jitter_ms": 30.0});
    let down = with(narrow(1_000_000), delay.clone());
    let up = json!({"delay_ms": delay_ms});
    let (mut call, viewer, _) = viewed(seed, false, up, down);
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
    Run::new(&format!("5.1 {delay_ms} ms"), figures, start_ms)
}

fn assert_follows(runs: &[Run], most_drop_ms: f64, most_frozen: f64) {
    let (rise_ms, drop_ms) = (mean(runs, |it| it.rise_ms), mean(runs, |it| it.drop_ms));
    assert!(rise_ms <= 3_000.0, "{rise_ms}");
    assert!(drop_ms <= most_drop_ms, "{drop_ms}");
    let slowest_ms = most(runs, |it| it.rise_ms);
    assert!(slowest_ms <= 6_000.0, "{slowest_ms}");
    let ideal = mean(runs, |it| it.ideal);
    assert!(ideal >= 0.9, "{ideal}");
    let queue_p95_ms = mean(runs, |it| it.figures.queue_p95_ms);
    assert!(queue_p95_ms < 80.0, "{queue_p95_ms}");
    let frozen = mean(runs, |it| it.figures.freeze_est);
    assert!(frozen <= most_frozen, "{frozen}");
}

#[test]
fn capacity_steps_with_50_ms_of_delay() {
    let runs = over_seeds(|seed| variable(seed, 50));
    assert_follows(&runs, 1_050.0, 0.007);
}

#[test]
fn capacity_steps_with_100_ms_of_delay() {
    let runs = over_seeds(|seed| variable(seed, 100));
    assert_follows(&runs, 1_400.0, 0.009);
}

/// RFC 8867 5.3, with the congestion of the feedback path by two publishers of 500 kb/s or without.
fn feedback_path(seed: u64, is_congested: bool) -> Figures {
    let shared = json!({"bottleneck": 2});
    let mut up = wide();
    if is_congested {
        up = with(narrow(2_000_000), shared.clone());
    }
    let down = with(narrow(2_000_000), json!({"jitter_ms": 30.0}));
    let (mut call, viewer, _) = viewed(seed, false, up.clone(), down);
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
    let bytes = |is_congested| {
        let runs = over_seeds(|seed| feedback_path(seed, is_congested));
        mean(&runs, |it| it.delivered_bytes as f64)
    };
    let ratio = bytes(true) / bytes(false);
    assert!(ratio >= 0.9, "{ratio}");
}
