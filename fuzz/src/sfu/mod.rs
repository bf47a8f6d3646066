//! The engine: any commands, and rooms full of peers that do as they like; allocation.

mod allocate;
mod client;
#[path = "../../../crates/sfu/tests/common/mod.rs"]
mod common;
mod feedback;
mod request;
mod script;

use rtc::dtls::{Certificate, Context};
use sfu::config::Config;
use sfu::engine::Engine;
use sfu::message::{Command, Event};
use std::sync::OnceLock;
use wire::time::{Time, WallClock};

use crate::input::Input;
use script::Script;

pub use allocate::allocate;
pub use feedback::feedback;

/// Each opens at most one association; more than this is only slow.
const MOST_COMMANDS: usize = 64;

fn identity() -> &'static Context {
    static CONTEXT: OnceLock<Context> = OnceLock::new();
    CONTEXT.get_or_init(|| {
        let certificate = Certificate::generate_ecdsa().expect("a certificate");
        Context::new(&certificate).expect("a context")
    })
}

/// Any bytes are refused as JSON, or are commands of which each is answered once.
pub fn commands(json: &[u8]) {
    let Ok(commands) = serde_json::from_slice::<Vec<Command>>(json) else {
        return;
    };
    let mut now = Time::from_secs(1);
    let dtls = identity().clone();
    let mut engine = Engine::new(now, Config::default(), dtls, WallClock::default(), 1);
    for command in commands.into_iter().take(MOST_COMMANDS) {
        let id = command.id;
        engine.command(now, command);
        let events = engine.take_events(false);
        let answers = |event: &&Event| matches!(event, Event::Done { id: of, .. } if *of == id);
        assert_eq!(events.iter().filter(answers).count(), 1);
        serde_json::to_vec(&events).expect("events are JSON");
        now = now + std::time::Duration::from_millis(400);
        engine.handle_timeout(now);
        engine.flush(now);
        engine.outbox().clear();
    }
    assert_eq!(engine.counters().rooms_broken, 0);
}

/// Two participants who are connected, and what a script makes them and the control plane do.
///
/// No room panics, sent packets can be decrypted, memory stays bounded, and all is released.
pub fn engine(data: &[u8]) {
    let mut input = Input::new(data);
    let mut script = Script::new(&mut input);
    while !input.is_empty() {
        script.step(&mut input);
    }
    script.end();
}
