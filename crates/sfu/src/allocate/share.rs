//! The share of a subscription in the budget of its subscriber.

/// Return the share of a subscription with this target bitrate, in proportion to the sum of all
/// targets, bit/s.
#[must_use]
pub fn share(budget_bps: u64, target_bps: u64, desired_bps: u64) -> u64 {
    let share = u128::from(budget_bps) * u128::from(target_bps);
    (share / u128::from(desired_bps.max(1))) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_in_proportion_to_the_targets() {
        assert_eq!(share(3_000_000, 1_700_000, 5_100_000), 1_000_000);
        assert_eq!(share(3_000_000, 150_000, 1_850_000), 243_243);
    }

    #[test]
    fn nothing_wanted_is_no_division_by_zero() {
        assert_eq!(share(1_000_000, 0, 0), 0);
        assert_eq!(share(u64::MAX, u64::MAX, u64::MAX), u64::MAX);
    }
}
