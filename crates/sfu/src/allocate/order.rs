//! The order in which the steps of all subscriptions are granted.
//!
//! Steps above the lowest layers come by priority, then by utility per bit, where the utility of a
//! frame is its width (the root of its pixels, as far as they are asked for) and falls with its
//! frame rate. The lowest layer of a subscription comes before the first step by which another
//! reaches a bitrate at least as high. The lowest layer of the highest priority is the first.

use std::cmp::{Ordering, Reverse};

use super::ladder::Ladder;
use super::wish::{Candidate, Wish};

/// A step that is held counts for more, since measured bitrates vary.
const HELD_BONUS: f64 = 1.5;
/// A held layer costs less in comparisons with others, for the same reason.
const HELD_PERCENT: u64 = 80;
/// Pixels of a frame of unknown size.
const UNKNOWN_PIXELS: u64 = 640 * 360;
/// Frame rates above this one add no utility.
const FULL_FPS: u16 = 30;

/// One step of a subscription to its next level.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    /// Index of the wish.
    pub wish: usize,
    /// The level that it starts from.
    pub level: usize,
    /// Index of the candidate that it reaches.
    pub candidate: usize,
    /// Bitrate that it adds, bit/s.
    pub cost_bps: u64,
    /// Bitrate that it reaches, bit/s.
    reached_bps: u64,
    /// Whether it is above what the subscription has now, or above the lowest of a new one.
    pub is_rise: bool,
    /// Whether it then leaves something to spare: not for a new subscription.
    pub needs_spare: bool,
    is_held: bool,
    /// Utility per bit.
    density: f64,
}

/// Return the steps of all subscriptions in the order in which they are granted.
pub(super) fn steps(wishes: &[Wish<'_>], ladders: &[Ladder]) -> Vec<Step> {
    let (mut lowest, mut upgrades) = (Vec::new(), Vec::new());
    for (nth, (wish, ladder)) in wishes.iter().zip(ladders).enumerate() {
        let mut steps = steps_of(nth, wish, ladder).into_iter();
        lowest.extend(steps.next());
        upgrades.extend(steps);
    }
    lowest.sort_by(|one, other| compare_lowest(wishes, ladders, one, other));
    upgrades.sort_by(|one, other| compare_upgrades(wishes, one, other));
    merge(lowest, &upgrades)
}

/// Insert each lowest layer before the first upgrade that reaches its bitrate.
fn merge(lowest: Vec<Step>, upgrades: &[Step]) -> Vec<Step> {
    let place = |nth: usize, step: &Step| {
        let reaches = |upgrade: &Step| compared_bps(step) <= compared_bps(upgrade);
        match nth {
            0 => 0,
            _ => upgrades.iter().position(reaches).unwrap_or(upgrades.len()),
        }
    };
    let placed = lowest
        .iter()
        .enumerate()
        .map(|(nth, step)| place(nth, step));
    let mut placed: Vec<(usize, Step)> =
        placed.collect::<Vec<_>>().into_iter().zip(lowest).collect();
    placed.sort_by_key(|(place, _)| *place);
    let mut merged = Vec::with_capacity(placed.len() + upgrades.len());
    let mut placed = placed.into_iter().peekable();
    for (nth, upgrade) in upgrades.iter().enumerate() {
        while let Some((_, step)) = placed.next_if(|(place, _)| *place <= nth) {
            merged.push(step);
        }
        merged.push(*upgrade);
    }
    merged.extend(placed.map(|(_, step)| step));
    merged
}

fn compared_bps(step: &Step) -> u64 {
    match step.is_held {
        true => step.reached_bps / 100 * HELD_PERCENT,
        false => step.reached_bps,
    }
}

fn steps_of(nth: usize, wish: &Wish<'_>, ladder: &Ladder) -> Vec<Step> {
    let mut steps = Vec::with_capacity(ladder.levels.len());
    let (mut reached_bps, mut reached_utility, mut density) = (0, 0.0, f64::INFINITY);
    for (level, candidate) in ladder.levels.iter().copied().enumerate() {
        let layer = &wish.candidates[candidate];
        let cost_bps = layer.wire_bps.saturating_sub(reached_bps);
        let utility = utility(wish, layer);
        let is_held = level < ladder.held;
        let gain = (utility - reached_utility).max(0.0) / cost_bps.max(1) as f64;
        let weighted = if is_held { gain * HELD_BONUS } else { gain };
        // A step is never granted before the one below it.
        density = weighted.min(density);
        reached_bps = layer.wire_bps;
        reached_utility = utility;
        steps.push(Step {
            wish: nth,
            level,
            candidate,
            cost_bps,
            reached_bps,
            is_rise: !(is_held || level == 0 && ladder.is_new),
            needs_spare: !ladder.is_new,
            is_held,
            density,
        });
    }
    steps
}

fn utility(wish: &Wish<'_>, layer: &Candidate) -> f64 {
    let pixels = pixels(wish, layer) as f64;
    let fps = match layer.fps {
        0 => FULL_FPS,
        fps => fps.min(FULL_FPS),
    };
    pixels.sqrt() * (f64::from(fps) / f64::from(FULL_FPS)).sqrt()
}

/// Pixels of a frame as far as they are asked for.
fn pixels(wish: &Wish<'_>, layer: &Candidate) -> u64 {
    // Without sizes each encoding counts as twice as wide as the one below.
    let unknown = UNKNOWN_PIXELS << (2 * layer.encoding.min(8));
    let size = layer.size.map_or(unknown, |size| size.pixels());
    wish.ask.size.map_or(size, |asked| size.min(asked.pixels()))
}

fn compare_upgrades(wishes: &[Wish<'_>], one: &Step, other: &Step) -> Ordering {
    let key = |step: &Step| {
        let wish = &wishes[step.wish];
        (Reverse(wish.rank), wish.id, step.level)
    };
    let ((rank, id, level), (other_rank, other_id, other_level)) = (key(one), key(other));
    rank.cmp(&other_rank)
        .then(other.density.total_cmp(&one.density))
        .then((id, level).cmp(&(other_id, other_level)))
}

/// Compare lowest layers: by rank, by the size shown, by magnitude of their bitrate, and those that
/// are sent before those that are paused.
fn compare_lowest(wishes: &[Wish<'_>], ladders: &[Ladder], one: &Step, other: &Step) -> Ordering {
    let key = |step: &Step| {
        let wish = &wishes[step.wish];
        (
            Reverse(wish.rank),
            Reverse(wish.ask.size.map_or(u64::MAX, |size| size.pixels())),
            // Factors of four: bitrates of a similar size do not decide.
            step.cost_bps.checked_ilog2().unwrap_or(0) / 2,
            ladders[step.wish].held == 0,
            wish.id,
        )
    };
    key(one).cmp(&key(other))
}
