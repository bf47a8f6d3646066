//! The same for 100 rooms of five, where the state of each participant has left the processor's
//! cache when it is served.

#[path = "../tests/common/mod.rs"]
mod common;
mod support;

use std::time::Duration;

use common::counting::Counting;
use common::replay::Replay;
use sfu::config::Config;
use support::measure;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() {
    let replay = Replay::rooms_of_five(Config::default(), 100, Duration::from_secs(10));
    measure("100 rooms of 5", replay);
}
