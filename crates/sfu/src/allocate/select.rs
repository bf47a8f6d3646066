//! Selection of the encoding that a subscription receives. Pure: candidates in, choice and reason
//! out.

use std::ops::Deref;

use crate::keys::MAX_ENCODINGS;
use crate::message::Target;
use crate::reasons::{BANDWIDTH, BEST, ENCODING_INACTIVE, NO_ENCODING, REQUESTED};

/// One encoding to select from, ordered from the lowest bitrate to the highest.
#[derive(Clone, Copy, Debug, Default)]
pub struct Candidate<'a> {
    /// RFC 8851 identifier; `None` where there is only one encoding.
    pub rid: Option<&'a str>,
    /// Whether it is being sent, or will be as soon as it is selected (dynacast).
    pub active: bool,
    /// Its bitrate.
    pub bitrate_bps: u64,
}

/// The encodings of a publication, without allocation since selections are frequent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Candidates<'a> {
    list: [Candidate<'a>; MAX_ENCODINGS],
    len: usize,
}

impl<'a> FromIterator<Candidate<'a>> for Candidates<'a> {
    fn from_iter<I: IntoIterator<Item = Candidate<'a>>>(from: I) -> Self {
        let mut candidates = Self::default();
        for (place, candidate) in candidates.list.iter_mut().zip(from) {
            *place = candidate;
            candidates.len += 1;
        }
        candidates
    }
}

impl<'a> Deref for Candidates<'a> {
    type Target = [Candidate<'a>];

    fn deref(&self) -> &Self::Target {
        &self.list[..self.len]
    }
}

/// The outcome of a selection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Number of the encoding, `None` where nothing can be sent.
    pub encoding: Option<usize>,
    /// Reason code.
    pub reason: &'static str,
}

/// The current encoding may exceed its budget by this much: bitrates vary, and each switch costs a
/// keyframe.
const STAY_PERCENT: u64 = 115;

/// Select the encoding for a target within a budget in bit/s (`None`: unlimited), where `current`
/// is sent now.
///
/// Neither all encodings nor the lowest one have to be active. If no encoding fits the budget, the
/// lowest active one is sent, since video with freezes is better than none.
#[must_use]
pub fn select_encoding(
    candidates: &[Candidate<'_>],
    target: &Target,
    budget_bps: Option<u64>,
    current: Option<usize>,
) -> Choice {
    let nothing = Choice {
        encoding: None,
        reason: NO_ENCODING,
    };
    let Some((ceiling, reason)) = ceiling(candidates, target) else {
        return nothing;
    };
    let usable = |nth: &usize| candidates[*nth].active;
    let fits = |nth: &usize| {
        let budget = budget_bps.map(|budget| match current == Some(*nth) {
            true => budget * STAY_PERCENT / 100,
            false => budget,
        });
        // An encoding whose bitrate is not measured yet may be of any size.
        let bitrate_bps = candidates[*nth].bitrate_bps;
        budget.is_none_or(|budget| bitrate_bps > 0 && bitrate_bps <= budget)
    };
    let below = || (0..=ceiling).rev().filter(usable);
    let above = || (ceiling..candidates.len()).find(usable);
    let Some(best) = below().next().or_else(above) else {
        return nothing;
    };
    let affordable = below()
        .find(fits)
        .or_else(|| (0..=ceiling).find(usable))
        .unwrap_or(best);
    let reason = match affordable {
        nth if nth < best => BANDWIDTH,
        nth if nth != ceiling => ENCODING_INACTIVE,
        _ => reason,
    };
    Choice {
        encoding: Some(affordable),
        reason,
    }
}

fn ceiling(candidates: &[Candidate<'_>], target: &Target) -> Option<(usize, &'static str)> {
    let top = candidates.len().checked_sub(1)?;
    Some(match target {
        Target::Auto => (top, BEST),
        Target::Index { index } => ((*index).min(top), REQUESTED),
        Target::Encoding { rid } => {
            let named = candidates.iter().position(|c| c.rid == Some(rid.as_str()));
            (named.unwrap_or(top), REQUESTED)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn candidate(rid: &'static str, active: bool, bitrate_bps: u64) -> Candidate<'static> {
        Candidate {
            rid: Some(rid),
            active,
            bitrate_bps,
        }
    }

    const THREE: [Candidate<'static>; 3] = [
        candidate("q", true, 150_000),
        candidate("h", true, 500_000),
        candidate("f", true, 1_700_000),
    ];

    fn selected(
        candidates: &[Candidate<'_>],
        target: Target,
        budget: Option<u64>,
    ) -> (usize, &'static str) {
        let choice = select_encoding(candidates, &target, budget, None);
        (choice.encoding.expect("one"), choice.reason)
    }

    #[test]
    fn selects_the_best_without_a_budget() {
        assert_eq!(selected(&THREE, Target::Auto, None), (2, BEST));
        assert_eq!(
            selected(&THREE, Target::Encoding { rid: "h".into() }, None),
            (1, REQUESTED)
        );
        assert_eq!(
            selected(&THREE, Target::Index { index: 0 }, None),
            (0, REQUESTED)
        );
        assert_eq!(
            selected(&THREE, Target::Index { index: 9 }, None),
            (2, REQUESTED)
        );
    }

    #[test]
    fn stays_within_the_budget_with_the_reason() {
        assert_eq!(
            selected(&THREE, Target::Auto, Some(1_000_000)),
            (1, BANDWIDTH)
        );
        assert_eq!(
            selected(&THREE, Target::Encoding { rid: "h".into() }, Some(200_000)),
            (0, BANDWIDTH)
        );
    }

    #[test]
    fn the_bitrate_of_the_current_encoding_may_vary() {
        let choice = |budget, current| {
            select_encoding(&THREE, &Target::Auto, Some(budget), current).encoding
        };
        assert_eq!(choice(1_600_000, None), Some(1));
        assert_eq!(choice(1_600_000, Some(2)), Some(2));
        assert_eq!(choice(1_600_000, Some(1)), Some(1));
        assert_eq!(choice(1_445_000, Some(2)), Some(1));
    }

    #[test]
    fn selects_the_lowest_where_none_fits() {
        assert_eq!(selected(&THREE, Target::Auto, Some(10_000)), (0, BANDWIDTH));
    }

    #[test]
    fn never_requires_all_or_the_lowest() {
        let without_lowest = [candidate("q", false, 0), THREE[1], candidate("f", false, 0)];
        assert_eq!(
            selected(&without_lowest, Target::Auto, None),
            (1, ENCODING_INACTIVE)
        );
        let target = Target::Encoding { rid: "q".into() };
        assert_eq!(
            selected(&without_lowest, target, None),
            (1, ENCODING_INACTIVE)
        );
    }

    #[test]
    fn selects_none_where_none_is_active() {
        let silent = [candidate("q", false, 0)];
        assert_eq!(
            select_encoding(&silent, &Target::Auto, None, None).encoding,
            None
        );
        assert_eq!(
            select_encoding(&[], &Target::Auto, None, None).reason,
            NO_ENCODING
        );
    }
}
