//! Picture ids, TL0PICIDX and KEYIDX, kept continuous for one subscriber.
//!
//! Every outgoing value is the incoming one minus a shift. The shift changes where the source
//! encoding changes and where a frame is dropped on purpose; it is stored per stretch of the
//! sequence map, so that late and resent packets are rewritten exactly as their neighbours were.

use super::{Codec, Described};

/// The picture numbers of one packet and the offsets in its payload at which they stand.
///
/// An offset of 0 means that the field is absent; byte 0 never holds one of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    /// Picture id, or frame number of the dependency descriptor.
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

/// The form of a picture id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Width {
    /// There is none.
    #[default]
    Absent,
    /// 7 bits in the payload.
    Narrow,
    /// 15 bits in the payload.
    Wide,
    /// 16 bits in the dependency descriptor.
    DependencyDescriptor,
}

/// What is subtracted from the picture numbers of a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PictureShift {
    /// Modulo 2^16, of which a picture id takes as many bits as it is wide.
    pub id: u16,
    /// Modulo 2^8.
    pub tl0: u8,
    /// Modulo 2^8, of which KEYIDX takes 5 bits.
    pub key_index: u8,
}

/// The picture numbers of one subscription: what was sent last, and the shift in force.
#[derive(Clone, Copy, Debug)]
pub struct Rewriter {
    shift: PictureShift,
    /// The newest incoming picture, forwarded or dropped.
    newest: Option<Fields>,
    /// What was in force when a packet last left, while nothing of a new source has.
    before: Option<(PictureShift, Fields)>,
    /// VP8 only: elsewhere frames refer to each other by these numbers, so gaps must stay.
    closes_gaps: bool,
}

impl Rewriter {
    /// Start with the numbers passed through.
    pub fn new(codec: Codec) -> Self {
        Self {
            shift: PictureShift::default(),
            newest: None,
            before: None,
            closes_gaps: codec == Codec::Vp8,
        }
    }

    /// Let the numbers of a new source continue what was sent last; `first` is its key frame.
    ///
    /// A source of which nothing left, since the next switch came first, moves no number.
    /// Return the shift for packets of the new source.
    pub fn switch(&mut self, first: &Described) -> PictureShift {
        let next = first.picture;
        let in_force = self.newest.replace(next).map(|last| (self.shift, last));
        self.before = self.before.or(in_force);
        if let Some((shift, last)) = self.before {
            self.shift = PictureShift {
                id: step(shift.id, last.id, next.id),
                tl0: step_u8(shift.tl0, last.tl0, next.tl0),
                key_index: step_u8(shift.key_index, last.key_index, next.key_index),
            };
        }
        self.shift
    }

    /// Note a forwarded packet that is not late.
    #[inline]
    pub fn forwarded(&mut self, packet: &Described) {
        self.before = None;
        if self.is_newer(&packet.picture) {
            self.newest = Some(packet.picture);
        }
    }

    /// Note a packet dropped on purpose and return the shift for the packets behind it.
    ///
    /// The gap closes once per picture, and only if none of its packets was forwarded.
    pub fn dropped(&mut self, packet: &Described) -> PictureShift {
        if self.closes_gaps && self.is_newer(&packet.picture) {
            self.newest = Some(packet.picture);
            self.shift.id = self.shift.id.wrapping_add(1);
        }
        self.shift
    }

    /// Return the shift in force.
    pub fn shift(&self) -> PictureShift {
        self.shift
    }

    #[inline]
    fn is_newer(&self, picture: &Fields) -> bool {
        self.newest
            .is_some_and(|newest| picture.is_newer_than(&newest))
    }
}

impl PictureShift {
    /// Rewrite the payload that `packet` describes, in place. The width of each field stays.
    #[inline]
    pub fn rewrite(self, payload: &mut [u8], packet: &Described) {
        let fields = &packet.picture;
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

    /// Rewrite the frame number of the dependency descriptor that `packet` was described by.
    #[inline]
    pub fn rewrite_descriptor(self, descriptor: &mut [u8], packet: &Described) {
        if packet.picture.width == Width::DependencyDescriptor
            && let Some(number) = descriptor.get_mut(1..3)
        {
            number.copy_from_slice(&packet.picture.id.wrapping_sub(self.id).to_be_bytes());
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
            Width::Absent | Width::DependencyDescriptor => {}
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
            Self::DependencyDescriptor => 0xffff,
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

/// The shift that turns `next` into the value after `last - shift`.
fn step(shift: u16, last: u16, next: u16) -> u16 {
    let sent = last.wrapping_sub(shift);
    next.wrapping_sub(sent.wrapping_add(1))
}

fn step_u8(shift: u8, last: u8, next: u8) -> u8 {
    step(shift.into(), last.into(), next.into()) as u8
}

const M_BIT: u16 = 0x8000;
const KEY_INDEX: u8 = 0x1f;
