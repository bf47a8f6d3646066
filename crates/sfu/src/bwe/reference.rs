//! Reference times of transport-wide feedback: 24 bits of 64 ms, which wrap after 12 days.

/// Receive deltas per unit of the reference time.
const TICKS_PER_UNIT: i64 = 256;
const BITS: u32 = 24;

/// Extends the reference times of one receiver.
#[derive(Debug, Default)]
pub struct ReferenceTime {
    newest: Option<i64>,
}

impl ReferenceTime {
    /// Return what to add to the arrivals of a feedback with this reference time, in ticks, so that
    /// those of all feedbacks are on one time line.
    pub fn offset_ticks(&mut self, reference: u32) -> i64 {
        let Some(newest) = self.newest else {
            self.newest = Some(i64::from(reference));
            return 0;
        };
        // The nearest value to the newest one; reordered feedback is a little behind it.
        let ahead = reference.wrapping_sub(newest as u32) << (32 - BITS);
        let extended = newest + i64::from(ahead as i32 >> (32 - BITS));
        self.newest = Some(newest.max(extended));
        (extended - i64::from(reference)) * TICKS_PER_UNIT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_continuous_across_the_wrap_and_when_reordered() {
        let mut times = ReferenceTime::default();
        let mut extended =
            |reference: u32| times.offset_ticks(reference) / TICKS_PER_UNIT + i64::from(reference);
        let start = (1 << BITS) - 2;
        let seen: Vec<_> = [start, start + 1, 1, 0, 3, start + 1]
            .map(&mut extended)
            .into();
        let wrap = 1_i64 << BITS;
        assert_eq!(
            seen,
            [wrap - 2, wrap - 1, wrap + 1, wrap, wrap + 3, wrap - 1]
        );
    }
}
