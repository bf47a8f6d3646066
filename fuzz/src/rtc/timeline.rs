//! The timestamps of one subscription over sources whose clocks lie.

use core::time::Duration;

use rtc::timeline::{SourceClock, Timeline};
use wire::time::{NtpTime, Time};

use crate::input::Input;

const CLOCK_RATES: [u32; 3] = [8_000, 48_000, 90_000];
/// Longer pauses come near half a turn of the timestamp, where forward and back are one.
const LONGEST_PAUSE: Duration = Duration::from_secs(3 * 3600);

/// Reports, capture times and packets of two sources: a switch never leads back in time.
pub fn timeline(data: &[u8]) {
    let mut input = Input::new(data);
    let clock_rate = input.pick(&CLOCK_RATES);
    let mut clocks = [SourceClock::new(clock_rate); 2];
    let mut timeline = Timeline::new(clock_rate, input.u32());
    let (mut now, mut current) = (Time::from_secs(1), 0);
    let mut newest: Option<(u32, Time)> = None;
    while !input.is_empty() {
        let timestamp = input.u32();
        match input.below(8) {
            0 | 1 => {
                let out = timeline.at(timestamp);
                timeline.sent(now, timestamp);
                let is_newer = |(before, _)| out.wrapping_sub(before) as i32 > 0;
                if newest.is_none_or(is_newer) {
                    newest = Some((out, now));
                }
            }
            2 => now = now + input.span(),
            3 | 4 => clocks[current].on_sender_report(timestamp, NtpTime(input.u64())),
            5 => clocks[current].on_capture_time(timestamp, NtpTime(input.u64())),
            _ => {
                let next = 1 - current;
                timeline.switch(now, &clocks[current], &clocks[next], timestamp);
                current = next;
                let recent = newest.filter(|(_, at)| now.since(*at) < LONGEST_PAUSE);
                if let Some((before, _)) = recent {
                    let step = timeline.at(timestamp).wrapping_sub(before);
                    assert!((1..1 << 31).contains(&step), "from {before} by {step}");
                }
            }
        }
    }
}
