//! CPU time of the engine for one forwarded packet: decrypted and stored once, and for each
//! subscriber copied, rewritten and encrypted into the outbox. Thread CPU, no sockets.

#[path = "../tests/common/mod.rs"]
mod common;
mod support;

use std::time::Duration;

use common::counting::Counting;
use common::replay::{Load, Replay};
use sfu::config::{Bwe, Config};
use support::measure;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const SUBSCRIBERS: usize = 240;
const PACED: Duration = Duration::from_millis(13);

fn main() {
    let whole = Load::video(SUBSCRIBERS, Duration::ZERO);
    let paced = Load::video(SUBSCRIBERS, PACED);
    let fed_back = Load {
        feedback: true,
        ..paced
    };
    let asked = Load {
        nacks: true,
        ..fed_back
    };
    let loss_rtt = Config {
        bwe: Bwe::LossRtt,
        ..Config::default()
    };
    let at_once = Config {
        coalesce_ms: 0,
        ..Config::default()
    };
    for (name, config, load) in [
        ("video to 240, frames whole", Config::default(), whole),
        ("video to 240, frames paced", Config::default(), paced),
        ("the same, 1 % asked for again", loss_rtt.clone(), asked),
        ("with feedback, --bwe loss-rtt", loss_rtt, fed_back),
        ("with feedback, --bwe gcc", Config::default(), fed_back),
        (
            "audio, 10 to 30, coalesced 5 ms",
            Config::default(),
            Load::audio(),
        ),
        ("audio, 10 to 30, at once", at_once, Load::audio()),
    ] {
        measure(name, Replay::new(config, &load));
    }
}
