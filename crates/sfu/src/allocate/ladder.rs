//! The levels that one subscription may get, from the lowest to the highest.

use super::Grant;
use super::wish::{Ask, Candidate, Held, Wish};
use crate::reasons::{BANDWIDTH, BEST, ENCODING_INACTIVE, NO_ENCODING, REQUESTED, SIZE};

/// A frame of up to this many times the pixels asked for is admitted: of two encodings whose
/// widths differ by a factor of two the nearer one is.
const MOST_PIXELS: u64 = 2;
/// Measured frame rates vary by a quarter.
const MOST_FPS_PERCENT: u32 = 125;

/// The levels of one subscription; level 0 is to be paused.
pub(super) struct Ladder {
    /// From the lowest: index of the candidate. Bitrates increase strictly.
    pub levels: Vec<usize>,
    /// Levels that the subscription has now.
    pub held: usize,
    /// Whether nothing has been granted or refused to the subscription yet.
    pub is_new: bool,
    /// Reason code of the highest level.
    reason: &'static str,
}

impl Ladder {
    pub fn new(wish: &Wish<'_>) -> Self {
        let admitted: Vec<usize> = admitted(&wish.ask, wish.candidates).collect();
        let usable = |nth: &usize| wish.candidates[*nth].usable;
        let mut levels: Vec<usize> = admitted.iter().copied().filter(usable).collect();
        let reason = reason(&wish.ask, wish.candidates, &admitted, levels.last());
        if levels.is_empty() {
            // A larger frame than the one asked for is better than none.
            levels.extend((0..wish.candidates.len()).find(usable));
        }
        remove_dominated(&mut levels, wish.candidates);
        let held = match wish.held {
            Held::Candidate(held) => level_of(&levels, held),
            Held::New | Held::Paused => 0,
        };
        Self {
            levels,
            held,
            is_new: wish.held == Held::New,
            reason,
        }
    }

    /// Return what the subscription gets where this many steps were granted.
    pub fn grant(&self, wish: &Wish<'_>, level: usize) -> Grant {
        let candidate = level.checked_sub(1).map(|nth| self.levels[nth]);
        let reason = match candidate {
            None if self.levels.is_empty() => NO_ENCODING,
            _ if level < self.levels.len() => BANDWIDTH,
            _ => self.reason,
        };
        Grant {
            id: wish.id,
            candidate,
            reason,
        }
    }
}

/// Return the highest bitrate on the wire that a request admits, also of layers that are not sent
/// yet, bit/s.
#[must_use]
pub fn wanted_bps(wish: &Wish<'_>) -> u64 {
    let admitted = admitted(&wish.ask, wish.candidates);
    let bps = admitted.map(|nth| wish.candidates[nth].wire_bps);
    bps.max().unwrap_or(0)
}

/// List the candidates that a request admits: those of the smallest frame in any case.
fn admitted<'a>(ask: &'a Ask, candidates: &'a [Candidate]) -> impl Iterator<Item = usize> + 'a {
    let top_encoding = ask.encoding.and_then(|asked| {
        let is_asked = |candidate: &Candidate| candidate.encoding == asked;
        candidates.iter().rposition(is_asked)
    });
    (0..candidates.len()).filter(move |nth| {
        let candidate = &candidates[*nth];
        let is_smallest = same_frame_size(&candidates[0], candidate);
        let is_within = top_encoding.is_none_or(|top| *nth <= top)
            && fits_size(ask, candidate)
            && ask.spatial.is_none_or(|top| candidate.spatial <= top);
        (is_within || is_smallest) && fits_frame_rate(ask, candidate)
    })
}

fn same_frame_size(one: &Candidate, other: &Candidate) -> bool {
    (one.encoding, one.spatial) == (other.encoding, other.spatial)
}

fn fits_size(ask: &Ask, candidate: &Candidate) -> bool {
    let (Some(asked), Some(size)) = (ask.size, candidate.size) else {
        return true;
    };
    size.pixels() <= asked.pixels() * MOST_PIXELS
}

/// The lowest temporal layer of a frame is always admitted.
fn fits_frame_rate(ask: &Ask, candidate: &Candidate) -> bool {
    if candidate.temporal == 0 {
        return true;
    }
    if ask.temporal.is_some_and(|top| candidate.temporal > top) {
        return false;
    }
    let Some(asked) = ask.fps else {
        return true;
    };
    u32::from(candidate.fps) * 100 <= u32::from(asked) * MOST_FPS_PERCENT
}

/// Return the reason code of the highest usable level.
fn reason(
    ask: &Ask,
    candidates: &[Candidate],
    admitted: &[usize],
    highest: Option<&usize>,
) -> &'static str {
    if highest != admitted.last() {
        return ENCODING_INACTIVE;
    }
    let is_top = highest.is_some_and(|nth| nth + 1 == candidates.len());
    match ask.encoding {
        Some(asked) if highest.is_some_and(|nth| candidates[*nth].encoding == asked) => REQUESTED,
        _ if is_top => BEST,
        _ if ask.spatial.or(ask.temporal).is_some() => REQUESTED,
        _ => SIZE,
    }
}

/// Remove levels that cost as much as a higher one.
fn remove_dominated(levels: &mut Vec<usize>, candidates: &[Candidate]) {
    let mut least = None;
    let mut kept = |nth: &usize| {
        let bps = candidates[*nth].wire_bps;
        let is_kept = least.is_none_or(|least| bps < least);
        if is_kept {
            least = Some(bps);
        }
        is_kept
    };
    let mut from_top: Vec<usize> = levels
        .iter()
        .rev()
        .copied()
        .filter(|nth| kept(nth))
        .collect();
    from_top.reverse();
    *levels = from_top;
}

/// Return the number of levels up to the candidate that the subscription has now.
fn level_of(levels: &[usize], held: usize) -> usize {
    let below = levels.partition_point(|nth| *nth < held);
    // A removed candidate costs as much as the next higher one, which is therefore held as well.
    (below + 1).min(levels.len())
}
