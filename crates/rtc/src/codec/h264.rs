//! H.264 payloads (RFC 6184) in packetization modes 0 and 1: single NAL unit, STAP-A, FU-A.

use std::collections::VecDeque;

use super::{Described, FrameInfo};
use wire::bits::BitReader;

/// Describe an H.264 payload, `None` where it is truncated or of another packetization mode.
///
/// A payload does not show whether it is the first of its access unit: `start` is set for every
/// packet that can be.
pub(super) fn describe(payload: &[u8], marker: bool) -> Option<Described> {
    let mut summary = Summary::default();
    match payload.first()? & TYPE {
        1..=23 => summary.add(payload),
        STAP_A => {
            for unit in aggregated(payload) {
                summary.add(unit?);
            }
        }
        FU_A => summary.add_fragment(payload)?,
        _ => return None,
    }
    (summary.units > 0).then(|| summary.described(marker))
}

/// Summary of the NAL units of one packet.
#[derive(Default)]
struct Summary {
    units: u32,
    start: bool,
    keyframe: bool,
    parameter_sets: bool,
    slices: u32,
    discardable_slices: u32,
}

impl Summary {
    fn add(&mut self, unit: &[u8]) {
        let Some(&header) = unit.first() else { return };
        let can_start = match header & TYPE {
            SLICE | IDR_SLICE => is_first_slice(unit.get(1)),
            kind => STARTING.contains(&kind),
        };
        self.count(header & TYPE, header & NRI, can_start);
    }

    fn add_fragment(&mut self, payload: &[u8]) -> Option<()> {
        let (&indicator, &fragment) = (payload.first()?, payload.get(1)?);
        let first_byte = payload.get(2)?;
        let is_first = fragment & FU_START != 0;
        let can_start = is_first
            && match fragment & TYPE {
                SLICE | IDR_SLICE => is_first_slice(Some(first_byte)),
                kind => STARTING.contains(&kind),
            };
        self.count(fragment & TYPE, indicator & NRI, can_start);
        Some(())
    }

    fn count(&mut self, kind: u8, importance: u8, can_start: bool) {
        self.start |= can_start && self.units == 0;
        self.units += 1;
        self.keyframe |= matches!(kind, IDR_SLICE | SPS);
        self.parameter_sets |= matches!(kind, SPS | PPS);
        if (SLICE..=IDR_SLICE).contains(&kind) {
            self.slices += 1;
            self.discardable_slices += u32::from(importance == 0);
        }
    }

    fn described(&self, marker: bool) -> Described {
        let info = FrameInfo {
            start: self.start,
            end: marker,
            keyframe: self.keyframe,
            switch_point: self.keyframe,
            discardable: self.slices > 0 && self.discardable_slices == self.slices,
            ..FrameInfo::default()
        };
        Described {
            info,
            readable: true,
            parameter_sets: self.parameter_sets,
            ..Described::default()
        }
    }
}

/// Return whether first_mb_in_slice, an Exp-Golomb code, is zero.
fn is_first_slice(after_header: Option<&u8>) -> bool {
    after_header.is_some_and(|byte| byte & 0x80 != 0)
}

/// The NAL units of a STAP-A (RFC 6184 section 5.7.1); a truncated one is `None` and the last.
fn aggregated(payload: &[u8]) -> impl Iterator<Item = Option<&[u8]>> {
    let mut rest = payload.get(1..).unwrap_or_default();
    core::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let unit = rest.split_first_chunk::<2>().and_then(|(len, tail)| {
            let len = usize::from(u16::from_be_bytes(*len));
            (len > 0).then(|| tail.split_at_checked(len)).flatten()
        });
        rest = unit.map_or(&[], |(_, tail)| tail);
        Some(unit.map(|(unit, _)| unit))
    })
}

/// The parameter sets of a payload, without those that are fragmented.
pub(super) fn parameter_sets(payload: &[u8]) -> impl Iterator<Item = &[u8]> {
    let kind = payload.first().map_or(0, |header| header & TYPE);
    let single = matches!(kind, SPS | PPS).then_some(payload);
    let aggregate = if kind == STAP_A { payload } else { &[] };
    single.into_iter().chain(aggregated(aggregate).flatten())
}

/// The latest parameter sets of an encoding, for subscribers that join later.
///
/// Some encoders use a new id at every keyframe, so the latest few are kept, bounded in number and
/// in length.
#[derive(Clone, Debug, Default)]
pub struct ParameterSets {
    sps: VecDeque<Set>,
    pps: VecDeque<Set>,
}

#[derive(Clone, Debug)]
struct Set {
    id: u32,
    unit: Vec<u8>,
}

impl ParameterSets {
    /// Store the parameter sets of a payload that was described with `parameter_sets`.
    ///
    /// A set too long for one packet before a keyframe is not stored, nor is a fragmented one
    /// (FU-A), but the earlier set with its id is removed.
    pub fn remember(&mut self, payload: &[u8]) {
        match payload.first().map(|header| header & TYPE) {
            Some(STAP_A) => aggregated(payload)
                .flatten()
                .for_each(|unit| self.store(unit)),
            Some(SPS | PPS) => self.store(payload),
            Some(FU_A) => self.remove_replaced(payload),
            _ => {}
        }
    }

    /// Write the sets as one STAP-A payload, at most [`MAX_STAP_A_LEN`] bytes, and return its
    /// length.
    ///
    /// `None` without an SPS or a PPS, or where `out` is too short.
    pub fn write_stap_a(&self, out: &mut [u8]) -> Option<usize> {
        if self.sps.is_empty() || self.pps.is_empty() {
            return None;
        }
        // RFC 6184 section 5.3: NRI is the highest of the aggregated units.
        let mut importance = 0;
        let mut at = 1;
        for Set { unit, .. } in self.sps.iter().chain(&self.pps) {
            let len = u16::try_from(unit.len()).ok()?;
            let place = out.get_mut(at..at + 2 + unit.len())?;
            place[..2].copy_from_slice(&len.to_be_bytes());
            place[2..].copy_from_slice(unit);
            at += 2 + unit.len();
            importance = importance.max(unit.first()? & NRI);
        }
        *out.first_mut()? = importance | STAP_A;
        Some(at)
    }

    fn store(&mut self, unit: &[u8]) {
        let Some(&header) = unit.first() else { return };
        match header & TYPE {
            SPS => store_in(&mut self.sps, MAX_SPS, unit, SPS_ID_AT),
            PPS => store_in(&mut self.pps, MAX_PPS, unit, PPS_ID_AT),
            _ => {}
        }
    }

    /// Remove the set that a fragmented one replaces. The first fragment has the id.
    fn remove_replaced(&mut self, fragment: &[u8]) {
        let Some((_, [header, ..])) = fragment.split_first() else {
            return;
        };
        let (sets, id_at) = match (header & FU_START != 0, header & TYPE) {
            (true, SPS) => (&mut self.sps, SPS_ID_AT),
            (true, PPS) => (&mut self.pps, PPS_ID_AT),
            _ => return,
        };
        let id = id_of(&fragment[1..], id_at);
        sets.retain(|set| Some(set.id) != id);
    }
}

/// Store a set in place of the one with its id, else of the oldest; the latest is last.
fn store_in(sets: &mut VecDeque<Set>, limit: usize, unit: &[u8], id_at: usize) {
    let Some(id) = id_of(unit, id_at) else {
        return;
    };
    if sets
        .back()
        .is_some_and(|set| set.id == id && set.unit == unit)
    {
        return;
    }
    sets.retain(|set| set.id != id);
    if unit.len() > MAX_SET_LEN {
        return;
    }
    if sets.len() == limit {
        sets.pop_front();
    }
    let unit = unit.to_vec();
    sets.push_back(Set { id, unit });
}

fn id_of(unit: &[u8], id_at: usize) -> Option<u32> {
    BitReader::new(unit.get(id_at..)?).exp_golomb()
}

const TYPE: u8 = 0x1f;
const NRI: u8 = 0x60;
const SLICE: u8 = 1;
const IDR_SLICE: u8 = 5;
const SPS: u8 = 7;
const PPS: u8 = 8;
const STAP_A: u8 = 24;
const FU_A: u8 = 28;
const FU_START: u8 = 0x80;
/// Data partition A, SEI, SPS, PPS, access unit delimiter.
const STARTING: [u8; 5] = [2, 6, SPS, PPS, 9];

/// Offset of the id: three bytes of profile and level precede it in an SPS.
const SPS_ID_AT: usize = 4;
const PPS_ID_AT: usize = 1;
const MAX_SPS: usize = 2;
const MAX_PPS: usize = 4;
const MAX_SET_LEN: usize = 160;
/// The longest payload that [`ParameterSets::write_stap_a`] writes.
pub const MAX_STAP_A_LEN: usize = 1 + (MAX_SPS + MAX_PPS) * (2 + MAX_SET_LEN);
