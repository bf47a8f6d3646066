//! Which encoding a subscription should receive now. Pure: facts in, choice and reason out.

use std::ops::Deref;

use crate::message::Target;

/// Simulcast has three; more is not a browser.
pub const MOST_ENCODINGS: usize = 8;

/// What is known of one encoding, ordered from the smallest to the largest.
#[derive(Clone, Copy, Debug, Default)]
pub struct Candidate<'a> {
    /// RFC 8851 identifier; `None` where there is only one encoding.
    pub rid: Option<&'a str>,
    /// It sends now, or will as soon as it is chosen.
    pub active: bool,
    /// What it sends.
    pub bitrate_bps: u64,
}

/// The encodings of a publication: estimates are made all the time, so nothing is allocated.
#[derive(Clone, Copy, Debug, Default)]
pub struct Candidates<'a> {
    list: [Candidate<'a>; MOST_ENCODINGS],
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
    /// Why this one: a reason code.
    pub reason: &'static str,
}

/// The subscriber asked for this encoding.
pub const REQUESTED: &str = "requested";
/// It is the best there is.
pub const BEST: &str = "best";
/// A larger one would not fit the estimated bandwidth.
pub const BANDWIDTH: &str = "bandwidth";
/// The wanted one does not send.
pub const ENCODING_INACTIVE: &str = "encoding_inactive";
/// Nobody watched it, so its publisher let it rest.
pub const UNWATCHED: &str = "unwatched";
/// No encoding sends.
pub const NO_ENCODING: &str = "no_encoding";

/// What is sent already may exceed its budget by this much: bitrates waver, and each change costs
/// a keyframe.
const STAY_PERCENT: u64 = 115;

/// Choose the encoding for a target within a budget in bit/s (`None`: unlimited), where `current`
/// is sent now.
///
/// Neither all encodings nor the lowest one are required: whatever is active is chosen from. With a
/// budget that fits nothing the lowest active encoding is sent, since a picture that stutters beats
/// none.
#[must_use]
pub fn choose(
    candidates: &[Candidate<'_>],
    target: &Target,
    budget_bps: Option<u64>,
    current: Option<usize>,
) -> Choice {
    let nothing = Choice {
        encoding: None,
        reason: NO_ENCODING,
    };
    let Some((ceiling, wish)) = ceiling(candidates, target) else {
        return nothing;
    };
    let usable = |nth: &usize| candidates[*nth].active;
    let fits = |nth: &usize| {
        let budget = budget_bps.map(|budget| match current == Some(*nth) {
            true => budget * STAY_PERCENT / 100,
            false => budget,
        });
        budget.is_none_or(|budget| candidates[*nth].bitrate_bps <= budget)
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
        _ => wish,
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

    fn chosen(
        candidates: &[Candidate<'_>],
        target: Target,
        budget: Option<u64>,
    ) -> (usize, &'static str) {
        let choice = choose(candidates, &target, budget, None);
        (choice.encoding.expect("one"), choice.reason)
    }

    #[test]
    fn takes_the_best_without_a_budget() {
        assert_eq!(chosen(&THREE, Target::Auto, None), (2, BEST));
        assert_eq!(
            chosen(&THREE, Target::Encoding { rid: "h".into() }, None),
            (1, REQUESTED)
        );
        assert_eq!(
            chosen(&THREE, Target::Index { index: 0 }, None),
            (0, REQUESTED)
        );
        assert_eq!(
            chosen(&THREE, Target::Index { index: 9 }, None),
            (2, REQUESTED)
        );
    }

    #[test]
    fn stays_within_the_budget_and_says_so() {
        assert_eq!(
            chosen(&THREE, Target::Auto, Some(1_000_000)),
            (1, BANDWIDTH)
        );
        assert_eq!(
            chosen(&THREE, Target::Encoding { rid: "h".into() }, Some(200_000)),
            (0, BANDWIDTH)
        );
    }

    #[test]
    fn what_is_sent_already_may_waver() {
        let choice =
            |budget, current| choose(&THREE, &Target::Auto, Some(budget), current).encoding;
        assert_eq!(choice(1_600_000, None), Some(1));
        assert_eq!(choice(1_600_000, Some(2)), Some(2));
        assert_eq!(choice(1_600_000, Some(1)), Some(1));
        assert_eq!(choice(1_445_000, Some(2)), Some(1));
    }

    #[test]
    fn sends_the_lowest_where_nothing_fits() {
        assert_eq!(chosen(&THREE, Target::Auto, Some(10_000)), (0, BANDWIDTH));
    }

    #[test]
    fn never_requires_all_or_the_lowest() {
        let without_lowest = [candidate("q", false, 0), THREE[1], candidate("f", false, 0)];
        assert_eq!(
            chosen(&without_lowest, Target::Auto, None),
            (1, ENCODING_INACTIVE)
        );
        let wish = Target::Encoding { rid: "q".into() };
        assert_eq!(chosen(&without_lowest, wish, None), (1, ENCODING_INACTIVE));
    }

    #[test]
    fn sends_nothing_where_nothing_sends() {
        let silent = [candidate("q", false, 0)];
        assert_eq!(choose(&silent, &Target::Auto, None, None).encoding, None);
        assert_eq!(choose(&[], &Target::Auto, None, None).reason, NO_ENCODING);
    }
}
