//! Picture ids, TL0PICIDX and KEYIDX, kept continuous for one subscriber.
//!
//! Every outgoing value is the incoming one minus a shift. The shift changes where the source
//! encoding changes and where a frame is skipped; it is stored per segment of the sequence map, so
//! that late and retransmitted packets are rewritten exactly as their neighbours were.

use super::{Codec, Described};

/// Picture id, TL0PICIDX and KEYIDX of one packet, and their offsets in its payload.
///
/// An offset of 0 means that the field is absent; byte 0 never holds one of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    /// Picture id.
    pub id: u16,
    /// Offset of the picture id.
    pub id_at: u8,
    /// How the picture id is written.
    pub width: Width,
    /// TL0PICIDX.
    pub tl0: u8,
    /// Offset of TL0PICIDX.
    pub tl0_at: u8,
    /// KEYIDX, 5 bits (VP8).
    pub key_index: u8,
    /// Offset of the byte with KEYIDX.
    pub key_index_at: u8,
}

/// The width of a picture id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Width {
    /// No picture id.
    #[default]
    Absent,
    /// 7 bits in the payload.
    Narrow,
    /// 15 bits in the payload.
    Wide,
}

/// Offsets that are subtracted from picture id, TL0PICIDX and KEYIDX.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shift {
    /// Modulo 2^16, of which the width of the picture id applies.
    pub id: u16,
    /// Modulo 2^8.
    pub tl0: u8,
    /// Modulo 2^8, of which 5 bits apply to KEYIDX.
    pub key_index: u8,
}

/// Rewriter of one subscription: the newest incoming fields and the current shift.
#[derive(Clone, Copy, Debug)]
pub struct Rewriter {
    shift: Shift,
    /// Fields of the newest incoming frame, forwarded or skipped.
    newest: Option<Fields>,
    /// State at the last packet sent, while no packet of the new source has been sent.
    before: Option<(Shift, Fields)>,
    /// VP8 only: in other codecs frames refer to each other by these numbers, so gaps must stay.
    closes_gaps: bool,
}

impl Rewriter {
    /// Create a rewriter with a shift of zero.
    pub fn new(codec: Codec) -> Self {
        Self {
            shift: Shift::default(),
            newest: None,
            before: None,
            closes_gaps: codec == Codec::Vp8,
        }
    }

    /// Continue the numbers with a new source, whose keyframe is `first`; return the shift for its
    /// packets.
    ///
    /// A source without a sent packet, since the next switch came first, changes no number.
    pub fn switch(&mut self, first: &Described) -> Shift {
        let next = first.picture_ids;
        let in_force = self.newest.replace(next).map(|last| (self.shift, last));
        self.before = self.before.or(in_force);
        if let Some((shift, last)) = self.before {
            self.shift = Shift {
                id: step(shift.id, last.id, next.id),
                tl0: step_u8(shift.tl0, last.tl0, next.tl0),
                key_index: step_u8(shift.key_index, last.key_index, next.key_index),
            };
        }
        self.shift
    }

    /// Record a forwarded packet that is not late.
    #[inline]
    pub fn forwarded(&mut self, packet: &Described) {
        self.before = None;
        if self.is_newer(&packet.picture_ids) {
            self.newest = Some(packet.picture_ids);
        }
    }

    /// Record a skipped packet and return the shift for later packets.
    ///
    /// The gap closes once per frame, and only if none of its packets was forwarded.
    pub fn dropped(&mut self, packet: &Described) -> Shift {
        if self.closes_gaps && self.is_newer(&packet.picture_ids) {
            self.newest = Some(packet.picture_ids);
            self.shift.id = self.shift.id.wrapping_add(1);
        }
        self.shift
    }

    /// Return the current shift.
    pub fn shift(&self) -> Shift {
        self.shift
    }

    #[inline]
    fn is_newer(&self, fields: &Fields) -> bool {
        self.newest
            .is_some_and(|newest| fields.is_newer_than(&newest))
    }
}

impl Shift {
    /// Rewrite the payload that `packet` describes, in place. The width of each field is kept.
    #[inline]
    pub fn rewrite(self, payload: &mut [u8], packet: &Described) {
        let fields = &packet.picture_ids;
        if self == Self::default() {
            return;
        }
        self.write_id(payload, fields);
        if let Some(byte) = optional(payload, fields.tl0_at) {
            *byte = fields.tl0.wrapping_sub(self.tl0);
        }
        if let Some(byte) = optional(payload, fields.key_index_at) {
            let value = fields.key_index.wrapping_sub(self.key_index);
            *byte = (*byte & !KEY_INDEX) | (value & KEY_INDEX);
        }
    }

    #[inline]
    fn write_id(self, payload: &mut [u8], fields: &Fields) {
        let at = usize::from(fields.id_at);
        let value = fields.id.wrapping_sub(self.id) & fields.width.mask();
        match fields.width {
            Width::Narrow => {
                if let Some(byte) = payload.get_mut(at) {
                    *byte = value as u8;
                }
            }
            Width::Wide => {
                if let Some(bytes) = payload.get_mut(at..at + 2) {
                    bytes.copy_from_slice(&(M_BIT | value).to_be_bytes());
                }
            }
            Width::Absent => {}
        }
    }
}

impl Fields {
    #[inline]
    fn is_newer_than(&self, other: &Self) -> bool {
        let mask = self.width.mask();
        let ahead = self.id.wrapping_sub(other.id) & mask;
        ahead != 0 && ahead <= mask / 2
    }
}

impl Width {
    #[inline]
    fn mask(self) -> u16 {
        match self {
            Self::Absent => 0,
            Self::Narrow => 0x7f,
            Self::Wide => 0x7fff,
        }
    }
}

#[inline]
fn optional(payload: &mut [u8], at: u8) -> Option<&mut u8> {
    if at == 0 {
        return None;
    }
    payload.get_mut(usize::from(at))
}

/// Return the shift that maps `next` to the value after `last - shift`.
fn step(shift: u16, last: u16, next: u16) -> u16 {
    let sent = last.wrapping_sub(shift);
    next.wrapping_sub(sent.wrapping_add(1))
}

fn step_u8(shift: u8, last: u8, next: u8) -> u8 {
    step(shift.into(), last.into(), next.into()) as u8
}

const M_BIT: u16 = 0x8000;
const KEY_INDEX: u8 = 0x1f;
