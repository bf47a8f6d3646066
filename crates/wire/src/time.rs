//! Monotonic and NTP instants, passed in by the caller, and the offset between them.

use core::ops::{Add, Sub};
use core::time::Duration;

/// Seconds between the NTP epoch (1900) and the Unix epoch (1970).
const NTP_UNIX_OFFSET_S: u64 = 2_208_988_800;

/// A monotonic instant in nanoseconds; its origin is arbitrary and never leaves the process.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Time(u64);

impl Time {
    /// The origin.
    pub const ZERO: Time = Time(0);
    /// The latest instant: no timer.
    pub const FAR: Time = Time(u64::MAX);

    /// Create an instant from nanoseconds since the origin.
    pub const fn from_nanos(nanos: u64) -> Time {
        Time(nanos)
    }

    /// Create an instant from microseconds since the origin.
    pub const fn from_micros(micros: u64) -> Time {
        Time(micros.saturating_mul(1_000))
    }

    /// Create an instant from milliseconds since the origin.
    pub const fn from_millis(millis: u64) -> Time {
        Time(millis.saturating_mul(1_000_000))
    }

    /// Create an instant from seconds since the origin.
    pub const fn from_secs(secs: u64) -> Time {
        Time(secs.saturating_mul(1_000_000_000))
    }

    /// Return nanoseconds since the origin.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Return whole microseconds since the origin.
    pub const fn as_micros(self) -> u64 {
        self.0 / 1_000
    }

    /// Return whole milliseconds since the origin.
    pub const fn as_millis(self) -> u64 {
        self.0 / 1_000_000
    }

    /// Return the latest multiple of `step` since the origin that is not after this instant.
    pub fn floor_to(self, step: Duration) -> Time {
        Time(self.0 - self.0 % saturating_nanos(step).max(1))
    }

    /// Return whole microseconds from `earlier` to here, zero if `earlier` is later.
    pub const fn micros_since(self, earlier: Time) -> u64 {
        self.0.saturating_sub(earlier.0) / 1_000
    }

    /// Return the span from `earlier` to here, zero if `earlier` is later.
    pub const fn since(self, earlier: Time) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Time {
    type Output = Time;

    fn add(self, span: Duration) -> Time {
        Time(self.0.saturating_add(saturating_nanos(span)))
    }
}

impl Sub<Duration> for Time {
    type Output = Time;

    fn sub(self, span: Duration) -> Time {
        Time(self.0.saturating_sub(saturating_nanos(span)))
    }
}

fn saturating_nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// A wall-clock instant in the 32.32 fixed-point seconds of RFC 5905 section 6, era ignored.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct NtpTime(pub u64);

impl NtpTime {
    /// Create an NTP timestamp from the span since the Unix epoch.
    pub const fn from_unix(since_epoch: Duration) -> NtpTime {
        let seconds = since_epoch.as_secs().wrapping_add(NTP_UNIX_OFFSET_S);
        let fraction = ((since_epoch.subsec_nanos() as u64) << 32) / 1_000_000_000;
        NtpTime(seconds << 32 | fraction)
    }

    /// Return the middle 32 bits (16.16 seconds), the LSR of RFC 3550 section 6.4.1.
    pub const fn mid32(self) -> u32 {
        (self.0 >> 16) as u32
    }

    /// Return the 24-bit abs-send-time value: 6.18 seconds.
    pub const fn abs_send_time(self) -> u32 {
        (self.0 >> 14) as u32 & 0x00ff_ffff
    }

    /// Return the latest multiple of `step` since the origin that is not after this instant.
    pub fn floor_to(self, step: Duration) -> Time {
        Time(self.0 - self.0 % saturating_nanos(step).max(1))
    }

    /// Return whole microseconds from `earlier` to here, zero if `earlier` is later.
    pub const fn micros_since(self, earlier: Time) -> u64 {
        self.0.saturating_sub(earlier.0) / 1_000
    }

    /// Return the span from `earlier` to here, zero if `earlier` is later.
    pub const fn since(self, earlier: NtpTime) -> Duration {
        fixed_to_duration(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for NtpTime {
    type Output = NtpTime;

    fn add(self, span: Duration) -> NtpTime {
        NtpTime(self.0.wrapping_add(duration_to_fixed(span)))
    }
}

impl Sub<Duration> for NtpTime {
    type Output = NtpTime;

    fn sub(self, span: Duration) -> NtpTime {
        NtpTime(self.0.wrapping_sub(duration_to_fixed(span)))
    }
}

/// Convert a span to 32.32 seconds, modulo 2^32 seconds.
pub const fn duration_to_fixed(span: Duration) -> u64 {
    let fraction = ((span.subsec_nanos() as u64) << 32) / 1_000_000_000;
    span.as_secs() << 32 | fraction
}

/// Convert 32.32 seconds to a span.
pub const fn fixed_to_duration(fixed: u64) -> Duration {
    let nanos = ((fixed & 0xffff_ffff) * 1_000_000_000) >> 32;
    Duration::new(fixed >> 32, nanos as u32)
}

/// Convert a span to the 16.16 seconds of DLSR (RFC 3550 section 6.4.1), saturating.
pub fn duration_to_short(span: Duration) -> u32 {
    if span.as_secs() > 0xffff {
        return u32::MAX;
    }
    (duration_to_fixed(span) >> 16) as u32
}

/// Convert the 16.16 seconds of DLSR to a span.
pub const fn short_to_duration(short: u32) -> Duration {
    fixed_to_duration((short as u64) << 16)
}

/// The offset from monotonic to wall-clock time.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct WallClock {
    /// The span from the Unix epoch to [`Time::ZERO`].
    pub unix_at_zero: Duration,
}

impl WallClock {
    /// Return the NTP timestamp of `now`.
    pub fn ntp(&self, now: Time) -> NtpTime {
        NtpTime::from_unix(self.unix_at_zero + Duration::from_nanos(now.as_nanos()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_floored_to_multiples_of_a_step() {
        let step = Duration::from_millis(50);
        assert_eq!(
            Time::from_millis(149).floor_to(step),
            Time::from_millis(100)
        );
        assert_eq!(
            Time::from_millis(150).floor_to(step),
            Time::from_millis(150)
        );
        assert_eq!(
            Time::from_nanos(7).floor_to(Duration::ZERO),
            Time::from_nanos(7)
        );
    }

    #[test]
    fn spans_saturate_instead_of_wrapping() {
        assert_eq!(
            Time::from_millis(1).since(Time::from_millis(5)),
            Duration::ZERO
        );
        assert_eq!(Time::ZERO - Duration::from_secs(1), Time::ZERO);
        assert_eq!(Time::FAR + Duration::from_secs(1), Time::FAR);
        assert_eq!(
            Time::from_secs(2) + Duration::from_micros(5),
            Time::from_micros(2_000_005)
        );
    }

    #[test]
    fn wall_clock_counts_from_1900() {
        let clock = WallClock {
            unix_at_zero: Duration::from_secs(10),
        };
        let ntp = clock.ntp(Time::from_millis(500));
        assert_eq!(ntp.0 >> 32, NTP_UNIX_OFFSET_S + 10);
        assert_eq!(ntp.0 & 0xffff_ffff, 0x8000_0000);
        assert_eq!(ntp.mid32() & 0xffff, 0x8000);
    }

    #[test]
    fn short_form_survives_a_round_trip_within_its_resolution() {
        let span = Duration::from_millis(1234);
        let back = short_to_duration(duration_to_short(span));
        assert!(span - back < Duration::from_micros(16));
        assert_eq!(duration_to_short(Duration::from_secs(70_000)), u32::MAX);
    }

    #[test]
    fn ntp_arithmetic_keeps_microseconds() {
        let start = NtpTime::from_unix(Duration::from_secs(1_700_000_000));
        let end = start + Duration::from_micros(1_500_001);
        let span = end.since(start);
        assert!(Duration::from_micros(1_500_001) - span < Duration::from_nanos(2));
        assert_eq!((end - span).since(start), Duration::ZERO);
    }
}
