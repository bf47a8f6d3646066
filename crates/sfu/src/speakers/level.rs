//! Audio levels (RFC 6464): the loudest of an interval, and their smoothing.

use std::time::Duration;

use wire::time::Time;

/// Time constants: 95 % of a change is reached after 200 ms upwards, after one second downwards.
const ATTACK: Duration = Duration::from_micros(66_700);
const RELEASE: Duration = Duration::from_micros(333_000);
/// How much less a level counts that the encoder does not take for speech, dB.
const NOT_VOICE_DB: f32 = 10.0;

const VOICE: u8 = 0x80;
const LOUDEST: u8 = 0x7f;

/// The loudest level of an interval: dB above silence, and bit `V` above them, so that a level of
/// speech counts before any other. One octet, since it is updated with every packet of audio.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Heard(u8);

impl Heard {
    /// Nothing, or silence.
    pub const NOTHING: Self = Self(0);

    /// Read the octet of the header extension (RFC 6464 section 3), where 0 is the loudest.
    #[inline]
    #[must_use]
    pub fn from_octet(octet: u8) -> Self {
        Self(octet ^ LOUDEST)
    }

    /// Return decibels above silence, 0 to 127.
    #[must_use]
    pub fn db(self) -> u8 {
        self.0 & LOUDEST
    }

    /// Return whether the encoder takes it for speech (bit `V`).
    #[must_use]
    pub fn is_voice(self) -> bool {
        self.0 & VOICE != 0 && self.db() > 0
    }
}

/// The smoothed level of a participant.
#[derive(Clone, Copy, Debug)]
pub struct Smoothed {
    db: f32,
    at: Time,
    /// Whether the sender sets bit `V`: many do not.
    marks_voice: bool,
}

impl Smoothed {
    /// Begin with silence.
    #[must_use]
    pub fn silent(now: Time) -> Self {
        Self {
            db: 0.0,
            at: now,
            marks_voice: false,
        }
    }

    /// Take the loudest level since the last update; return what of it counts, dB above silence.
    pub fn update(&mut self, now: Time, heard: Heard) -> f32 {
        self.marks_voice |= heard.is_voice();
        let is_noise = self.marks_voice && !heard.is_voice();
        let level = f32::from(heard.db());
        let level = match is_noise {
            true => (level - NOT_VOICE_DB).max(0.0),
            false => level,
        };
        let constant = match level > self.db {
            true => ATTACK,
            false => RELEASE,
        };
        let elapsed = now.since(self.at).as_secs_f32() / constant.as_secs_f32();
        self.db += (level - self.db) * (1.0 - (-elapsed).exp());
        self.at = self.at.max(now);
        level
    }

    /// Return decibels above silence, 0 to 127.
    #[must_use]
    pub fn db(&self) -> f32 {
        self.db
    }

    /// Return the level as in RFC 6464 with its sign, dBov: 0 is the loudest, -127 silence.
    #[must_use]
    pub fn dbov(&self) -> i8 {
        (self.db.round() - f32::from(LOUDEST)) as i8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Time = Time::from_secs(1);

    fn after(smoothed: Smoothed, ms: u64, heard: Heard) -> i8 {
        let mut smoothed = smoothed;
        for step in 1..=ms / 50 {
            smoothed.update(START + Duration::from_millis(50 * step), heard);
        }
        smoothed.dbov()
    }

    #[test]
    fn a_level_is_reached_within_200_ms_and_left_within_a_second() {
        let loud = Heard::from_octet(0x80 | 27);
        let rising = |ms| after(Smoothed::silent(START), ms, loud);
        assert_eq!(rising(50), -74);
        assert_eq!(rising(200), -32);
        assert_eq!(rising(1_000), -27);
        let speaking = Smoothed {
            db: 100.0,
            at: START,
            marks_voice: true,
        };
        let falling = |ms| after(speaking, ms, Heard::NOTHING);
        assert_eq!(falling(200), -72);
        assert_eq!(falling(1_000), -122);
    }

    #[test]
    fn speech_counts_before_a_louder_noise() {
        let (speech, noise) = (Heard::from_octet(0x80 | 60), Heard::from_octet(10));
        assert_eq!(speech.max(noise), speech);
        assert_eq!(
            Heard::from_octet(40).max(Heard::from_octet(50)),
            Heard::from_octet(40)
        );
        assert_eq!((speech.db(), noise.db()), (67, 117));
    }

    #[test]
    fn levels_without_bit_v_count_less_only_where_the_sender_sets_it() {
        let noise = Heard::from_octet(27);
        assert_eq!(after(Smoothed::silent(START), 1_000, noise), -27);
        let marking = Smoothed {
            db: 0.0,
            at: START,
            marks_voice: true,
        };
        assert_eq!(after(marking, 1_000, noise), -37);
    }

    #[test]
    fn a_mute_microphone_is_silent_whatever_its_bit_v() {
        for octet in [127, 0x80 | 127] {
            let mute = Heard::from_octet(octet);
            assert!(!mute.is_voice());
            assert_eq!(after(Smoothed::silent(START), 1_000, mute), -127);
        }
    }

    #[test]
    fn a_clock_that_does_not_advance_changes_nothing() {
        let mut smoothed = Smoothed::silent(START);
        smoothed.update(START, Heard::from_octet(0));
        assert_eq!(smoothed.dbov(), -127);
        smoothed.update(START - Duration::from_secs(1), Heard::from_octet(0));
        assert_eq!(smoothed.dbov(), -127);
    }
}
